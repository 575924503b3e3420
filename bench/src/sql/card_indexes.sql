SELECT indexrelid::regclass::text
FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
WHERE c.relname LIKE 'access\_log\_________\_card'

-- Partitions that a consumer has claimed; a row that nobody has claimed yet has no owner_name.
SELECT count(*) FROM consumer_offset WHERE owner_name <> ''

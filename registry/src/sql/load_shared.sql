SELECT key, since, until, state
FROM shared_history
WHERE kind = $1 AND key = ANY ($2::text[])
ORDER BY key, since

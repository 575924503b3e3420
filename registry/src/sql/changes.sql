SELECT clock, kind, keys
FROM permission_change
WHERE clock > $1 AND clock <= $2
ORDER BY clock
LIMIT $3

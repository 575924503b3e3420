SELECT d.dead_letter_id, d.version
FROM dead_letter d
WHERE d.compensate_at <= now()
  AND d.settled_at IS NULL
  AND d.compensations < $3
  AND (d.state = 'open' OR (d.state = 'replaying' AND d.lease_until < now()))
  AND record_bytes(d.key, d.value, d.header_names, d.header_values) <= $5
  AND CASE d.reason
      WHEN $1 THEN EXISTS (SELECT FROM terminal t WHERE t.terminal_id = d.terminal_id)
      WHEN $2 THEN
          d.occurred_at >= (SELECT oldest_day::timestamp AT TIME ZONE 'UTC' FROM retention)
          AND d.occurred_at <= now() + interval '1 day'
      ELSE false
      END
ORDER BY d.compensate_at
LIMIT $4
FOR UPDATE OF d SKIP LOCKED

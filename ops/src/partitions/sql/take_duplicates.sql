WITH taken AS (
    SELECT log_partition, log_offset
    FROM duplicate_event
    WHERE (log_partition, log_offset) > ($2, $3)
      AND occurred_at < $1::text::date::timestamp AT TIME ZONE 'UTC'
    ORDER BY log_partition, log_offset
    LIMIT $4
)
DELETE FROM duplicate_event d
USING taken s
WHERE (d.log_partition, d.log_offset) = (s.log_partition, s.log_offset)
RETURNING d.log_partition, d.log_offset, d.digest

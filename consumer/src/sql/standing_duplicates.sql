SELECT d.log_partition, d.log_offset
FROM unnest($1::int[], $2::bigint[]) AS k (log_partition, log_offset)
CROSS JOIN LATERAL (
    SELECT * FROM duplicate_event
    WHERE log_partition = k.log_partition AND log_offset = k.log_offset
    OFFSET 0
) AS d

-- Dead letters, or replays, of these partitions behind a place, the first in the log first, up to so
-- many rows and bytes. They are few, and may stand at any offset. What is read is marked: it will be
-- published. What was taken back while this waited for it does not come back.
WITH page AS (
    SELECT o.log_partition, o.log_offset
    FROM (
        SELECT o.log_partition, o.log_offset,
               record_bytes(o.key, o.value, o.header_names, o.header_values) AS bytes,
               sum(record_bytes(o.key, o.value, o.header_names, o.header_values))
                   OVER (ORDER BY o.log_partition, o.log_offset) AS bytes_to_here
        FROM (
            SELECT * FROM outbox
            WHERE kind <> 'decision' AND kind = $2 AND log_partition = ANY ($1::int[])
              AND (log_partition, log_offset) > ($5::int, $6::bigint)
            ORDER BY log_partition, log_offset
            LIMIT $3::bigint
        ) o
    ) o
    -- The first goes out however large it is.
    WHERE bytes_to_here - bytes < $4::bigint
), durable AS (
    -- The session loses its last commits with the server: this one must not be among them.
    SELECT set_config('synchronous_commit', 'on', true)
), marked AS (
    UPDATE outbox o
    SET taken = true
    FROM page p CROSS JOIN durable
    WHERE (o.log_partition, o.log_offset, o.kind) = (p.log_partition, p.log_offset, $2) AND NOT o.taken
    RETURNING o.*
), known AS (
    SELECT o.* FROM outbox o JOIN page p USING (log_partition, log_offset)
    WHERE o.kind = $2 AND o.taken
)
SELECT log_partition, log_offset, kind, key, value, header_names, header_values, since, expires_at
FROM (SELECT * FROM marked UNION ALL SELECT * FROM known) o
ORDER BY log_partition, log_offset

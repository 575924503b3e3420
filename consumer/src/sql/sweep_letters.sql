-- Dead letters and replays of these partitions, the first in the log first, up to so many rows and
-- bytes. They are few, and may stand at any offset: all are looked at each time.
SELECT log_partition, log_offset, kind, key, value, header_names, header_values, since, expires_at
FROM (
    SELECT o.*, sum(octet_length(value)::bigint) OVER (ORDER BY log_partition, log_offset, kind) AS bytes
    FROM (
        SELECT * FROM outbox
        WHERE kind <> 'decision' AND kind = ANY ($2::text[]) AND log_partition = ANY ($1::int[])
        ORDER BY log_partition, log_offset, kind
        LIMIT $3::bigint
    ) o
) o
-- The first goes out however large it is.
WHERE coalesce(bytes, 0) - coalesce(octet_length(value), 0) < $4::bigint
ORDER BY log_partition, log_offset, kind

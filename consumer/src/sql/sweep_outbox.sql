-- From an offset on and never from the start: what was deleted before it may not be vacuumed yet, as
-- long as somebody reads in an old snapshot.
SELECT o.log_partition, o.log_offset, o.kind, o.key, o.value, o.header_names, o.header_values,
       o.since, o.expires_at
FROM unnest($1::int[], $2::bigint[]) AS k (log_partition, from_offset)
CROSS JOIN LATERAL (
    SELECT * FROM outbox
    WHERE outbox.log_partition = k.log_partition AND outbox.log_offset >= k.from_offset
      -- A newer program's own kinds are left to it.
      AND outbox.kind = ANY ($4::text[])
    ORDER BY outbox.log_offset
    -- All kinds of the last offset, so that the next look can begin behind it.
    FETCH FIRST ($3::bigint) ROWS WITH TIES
) AS o
ORDER BY o.log_partition, o.log_offset

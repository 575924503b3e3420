-- Whoever it is: what Kafka has is not to be published again. Row by row by the index (OFFSET 0 keeps
-- the planner to it): after a vacuum the table is estimated to be empty, and then it would be read
-- whole, for each key. A replay that has taken the place of the one before stays; what was read of
-- since was rounded up to a millisecond.
DELETE FROM outbox
WHERE ctid = ANY (ARRAY(
    SELECT o.ctid
    FROM unnest($1::int[], $2::bigint[], $3::text[], $4::timestamptz[])
        AS k (log_partition, log_offset, kind, since)
    CROSS JOIN LATERAL (
        SELECT ctid FROM outbox
        WHERE (outbox.log_partition, outbox.log_offset, outbox.kind)
              = (k.log_partition, k.log_offset, k.kind)
          AND outbox.since > k.since - interval '1 millisecond' AND outbox.since <= k.since
        OFFSET 0
    ) AS o))

INSERT INTO duplicate_event
    (log_partition, log_offset, first_offset, occurred_at, card_id, event_id, digest)
SELECT *
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::uuid[], $7::bytea[])
-- The same offset read again has its outcome.
ON CONFLICT DO NOTHING

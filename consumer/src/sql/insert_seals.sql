INSERT INTO log_seal AS s
    (log_partition, bucket, events, digest, occurred_min, occurred_max, chain)
SELECT *
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $7::bytea[])
-- A bucket that is read again must say what it said when it was sealed; what says otherwise is not
-- returned, and the batch stops.
ON CONFLICT (log_partition, bucket) DO UPDATE SET sealed_at = s.sealed_at
WHERE (s.events, s.digest, s.chain) = (excluded.events, excluded.digest, excluded.chain)
RETURNING log_partition, bucket

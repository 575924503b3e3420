INSERT INTO dropped_sum (log_partition, bucket, rows, collisions, duplicates, digest)
SELECT *
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
ON CONFLICT (log_partition, bucket) DO UPDATE
SET rows = excluded.rows, collisions = excluded.collisions, duplicates = excluded.duplicates,
    digest = excluded.digest

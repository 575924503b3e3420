INSERT INTO log_seal (log_partition, bucket, events, digest, occurred_min, occurred_max, chain)
VALUES ($1, $2, $3, $4, $5, $6, $7)

SELECT log_partition, bucket, events, digest, occurred_min, occurred_max, chain
FROM log_seal

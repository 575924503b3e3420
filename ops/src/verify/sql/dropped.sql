SELECT log_partition, bucket, rows, collisions, duplicates, digest
FROM dropped_sum

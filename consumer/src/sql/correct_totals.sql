UPDATE consumer_offset c
SET rows = c.rows - b.collisions - b.duplicates,
    collisions = c.collisions + b.collisions,
    duplicates = c.duplicates + b.duplicates
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS b (log_partition, collisions, duplicates)
WHERE c.log_partition = b.log_partition

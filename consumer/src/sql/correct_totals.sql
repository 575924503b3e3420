UPDATE consumer_offset c
SET rows = c.rows - b.collisions - b.duplicates - b.dead,
    collisions = c.collisions + b.collisions,
    duplicates = c.duplicates + b.duplicates,
    dead = c.dead + b.dead
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[])
    AS b (log_partition, collisions, duplicates, dead)
WHERE c.log_partition = b.log_partition

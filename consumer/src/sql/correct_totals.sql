UPDATE consumer_offset c
SET rows = c.rows - b.collisions - b.duplicates - b.dead - b.parked,
    collisions = c.collisions + b.collisions,
    duplicates = c.duplicates + b.duplicates,
    dead = c.dead + b.dead,
    -- Less those that have left their lanes.
    parked = c.parked + b.parked
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS b (log_partition, collisions, duplicates, dead, parked)
WHERE c.log_partition = b.log_partition

SELECT sum(rows)::bigint, sum(duplicates)::bigint, sum(collisions)::bigint, sum(dead)::bigint,
       count(DISTINCT owner)
FROM consumer_offset

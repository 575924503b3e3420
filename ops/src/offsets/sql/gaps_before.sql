SELECT g.log_partition, g.lost,
       sum(least(g.end_offset, t.target) - greatest(g.first_offset, t.base))::bigint
FROM offset_gap g
JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS t (log_partition, base, target) USING (log_partition)
WHERE g.end_offset > t.base AND g.first_offset < t.target
GROUP BY g.log_partition, g.lost

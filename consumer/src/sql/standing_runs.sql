-- Of each span: the run that it may begin in, and those that begin in it.
SELECT d.log_partition, d.log_offset, d.run
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS s (log_partition, first, last)
CROSS JOIN LATERAL (
    (SELECT log_partition, log_offset, run FROM duplicate_event
     WHERE log_partition = s.log_partition AND run IS NOT NULL AND log_offset <= s.first
     ORDER BY log_offset DESC LIMIT 1)
    UNION ALL
    SELECT log_partition, log_offset, run FROM duplicate_event
    WHERE log_partition = s.log_partition AND run IS NOT NULL
      AND log_offset > s.first AND log_offset <= s.last
    OFFSET 0
) AS d

-- A run is of one day: what is kept is there as a whole, or its first one tells an untruth.
SELECT d.log_partition
FROM duplicate_event d
WHERE {only}
  AND d.occurred_at >= (SELECT oldest_day::timestamp AT TIME ZONE 'UTC' FROM retention)
GROUP BY d.log_partition
HAVING count(*) <> coalesce(sum(d.run), 0)

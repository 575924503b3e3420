-- A gap that the target lies within: its second part will be found as one of its own.
INSERT INTO offset_gap (log_partition, first_offset, end_offset, found_at, lost)
SELECT log_partition, $2, end_offset, found_at, lost
FROM offset_gap
WHERE log_partition = $1 AND first_offset < $2 AND end_offset > $2

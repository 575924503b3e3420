DELETE FROM identity_conflict i
USING access_log a
WHERE (a.log_partition, a.log_offset) = (i.log_partition, i.log_offset)

INSERT INTO offset_gap (log_partition, first_offset, end_offset, lost)
VALUES ($1, $2, $3, true)

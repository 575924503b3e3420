UPDATE offset_gap SET end_offset = $2
WHERE log_partition = $1 AND first_offset < $2 AND end_offset > $2

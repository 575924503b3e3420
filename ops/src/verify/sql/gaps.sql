SELECT log_partition, first_offset, end_offset, lost
FROM offset_gap
ORDER BY log_partition, first_offset

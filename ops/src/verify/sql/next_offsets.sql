SELECT log_partition, next_offset FROM consumer_offset

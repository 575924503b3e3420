SELECT log_partition FROM consumer_offset WHERE log_partition = ANY ($1::int[])

SELECT log_partition, owner, next_offset FROM consumer_offset WHERE log_partition = ANY ($1::int[])

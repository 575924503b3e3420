SELECT log_partition, owner FROM consumer_offset WHERE log_partition = ANY ($1::int[])

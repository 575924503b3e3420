-- Dead letters that the counters of these partitions have, and that are not in the table. An offset
-- that is to be read again is no longer counted; its letter stays.
SELECT o.log_partition,
       o.dead - (SELECT count(*) FROM dead_letter d
                 WHERE d.log_partition = o.log_partition
                   AND d.log_offset >= o.first_offset AND d.log_offset < o.next_offset) AS room
FROM consumer_offset o
WHERE o.log_partition = ANY ($1)

-- Rows and collisions in the order of the log, and when each was committed.
SELECT event_id, card_id, log_partition, log_offset,
       (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint, is_row
FROM (
    SELECT event_id, card_id, log_partition, log_offset, xmin, true AS is_row FROM access_log
    UNION ALL
    SELECT event_id, card_id, log_partition, log_offset, xmin, false FROM collision
) AS outcome
ORDER BY log_partition, log_offset

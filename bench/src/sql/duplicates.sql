-- Where batches end, and with them runs, is not the same in each.
SELECT count(*),
       coalesce(sum(hash_record_extended(
           ROW (log_partition, log_offset, first_offset, occurred_at, card_id, event_id, digest), 0
       )::numeric), 0)::text
FROM duplicate_event

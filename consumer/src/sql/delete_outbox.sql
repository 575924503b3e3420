-- Whoever it is: what Kafka has is not to be published again.
DELETE FROM outbox o
USING unnest($1::int[], $2::bigint[], $3::text[]) AS k (log_partition, log_offset, kind)
WHERE (o.log_partition, o.log_offset, o.kind) = (k.log_partition, k.log_offset, k.kind)

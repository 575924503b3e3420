DELETE FROM duplicate_event
WHERE ctid >= $2::text::tid AND ctid < $3::text::tid
  AND (run IS NOT NULL) = $4
  AND occurred_at < $1::text::date::timestamp AT TIME ZONE 'UTC'
RETURNING log_partition, log_offset, digest

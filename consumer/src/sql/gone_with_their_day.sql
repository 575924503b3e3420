-- Of these events, those of days that are gone whose bucket was summed up with such days.
SELECT e.log_partition, e.log_offset
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::timestamptz[])
    AS e (log_partition, log_offset, bucket, occurred_at)
JOIN retention r ON e.occurred_at < r.gone_before::timestamp AT TIME ZONE 'UTC'
WHERE EXISTS (SELECT FROM dropped_sum d WHERE (d.log_partition, d.bucket) = (e.log_partition, e.bucket))
   OR EXISTS (SELECT FROM log_base b
              WHERE b.log_partition = e.log_partition AND e.bucket < b.first_bucket)

-- As delete_spans.sql, of zones, terminals and schedules.
DELETE FROM shared_history
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM shared_history
    WHERE until <= $1::text::date::timestamp AT TIME ZONE 'UTC'
    LIMIT $2))

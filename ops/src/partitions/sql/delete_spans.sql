-- Spans that ended before: what is decided late is decided by those that reach into a day that is
-- kept. An open span stays whatever its age.
DELETE FROM user_access_history
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM user_access_history
    WHERE until <= $1::text::date::timestamp AT TIME ZONE 'UTC'
    LIMIT $2))

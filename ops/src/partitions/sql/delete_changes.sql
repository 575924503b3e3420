-- Whoever remembers permissions reads the changes since the clock that it knows, and forgets all
-- where a tick of the clock is gone. So ticks go as a whole, the oldest first; the last one stays.
DELETE FROM permission_change
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM permission_change
    WHERE clock < least(
        (SELECT version FROM permission_clock),
        (SELECT min(clock) FROM permission_change
         WHERE noted_at >= $1::text::date::timestamp AT TIME ZONE 'UTC'))
    ORDER BY clock
    FETCH FIRST ($2::bigint) ROWS WITH TIES))

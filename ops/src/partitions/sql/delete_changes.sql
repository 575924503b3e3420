-- Whoever remembers permissions reads the changes since the clock that it knows, and forgets all
-- where some of them are gone. The last one stays.
DELETE FROM permission_change
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM permission_change
    WHERE noted_at < $1::text::date::timestamp AT TIME ZONE 'UTC'
      AND clock < (SELECT version FROM permission_clock)
    LIMIT $2))

-- Whoever remembers permissions compares with the clock, and reads the changes since: those of days
-- ago are read by nobody. The last one stays.
DELETE FROM permission_change
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM permission_change
    WHERE noted_at < $1::text::date::timestamp AT TIME ZONE 'UTC'
      AND clock < (SELECT version FROM permission_clock)
    LIMIT $2))

-- Events whose counters wait for the ledger; what of the ledger is not what rows and collisions say; and
-- events whose number another has that no conflict names, or that one names for nothing.
WITH event AS (
    SELECT terminal_id, terminal_epoch, terminal_seq, occurred_at, log_partition, log_offset
    FROM access_log
    UNION ALL
    SELECT terminal_id, terminal_epoch, terminal_seq, occurred_at, log_partition, log_offset
    FROM collision
), counted AS (
    SELECT *, count(*) OVER (PARTITION BY terminal_id, terminal_epoch, terminal_seq) > 1 AS shared
    FROM event
    WHERE terminal_seq IS NOT NULL
), expected AS (
    SELECT terminal_id, terminal_epoch, (occurred_at AT TIME ZONE 'UTC')::date AS day,
           terminal_seq / 1000 AS block,
           range_agg(int8range(terminal_seq, terminal_seq, '[]')) AS seen, count(*) AS events
    FROM counted
    GROUP BY 1, 2, 3, 4
), found AS (
    SELECT terminal_id, terminal_epoch, day, block, seen, events FROM terminal_ledger
), named AS (
    SELECT log_partition, log_offset FROM identity_conflict WHERE kind = 'counter_reused'
    UNION
    SELECT other_partition, other_offset FROM identity_conflict WHERE kind = 'counter_reused'
)
SELECT (SELECT coalesce(sum(events), 0)::bigint FROM ledger_delta),
       (SELECT count(*)
        FROM ((TABLE expected EXCEPT TABLE found) UNION ALL (TABLE found EXCEPT TABLE expected)) d),
       (SELECT count(*)
        FROM counted LEFT JOIN named n USING (log_partition, log_offset)
        WHERE shared <> (n.log_offset IS NOT NULL)),
       (SELECT count(*) FROM counted WHERE shared)

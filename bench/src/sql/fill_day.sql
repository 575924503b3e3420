-- $2 swipes of day $1 (days since 1970), spread evenly over it, of cards and readers that are dealt by
-- a hash of their number: as many as there are in bench_card and bench_terminal.
INSERT INTO access_log (occurred_at, received_at, log_offset, permission_clock, age_ms, log_partition,
    reasons, granted, live, online, event_id, card_id, terminal_id, zone_id, notes)
SELECT at, at + interval '40 ms', i, 1, 20, (h.hash & 31)::int, 0, true, true, true,
       gen_random_uuid(), c.card_id, t.terminal_id, t.zone_id, 0
FROM generate_series(0, $2::bigint - 1) i
CROSS JOIN LATERAL (
    SELECT hashint8extended($1::bigint * 100000000 + i, $3) & 9223372036854775807 AS hash,
           (date 'epoch' + $1::int)::timestamp AT TIME ZONE 'UTC'
               + i * 86400000 / $2 * interval '1 millisecond' AS at
) h
JOIN bench_card c ON c.nth = h.hash % (SELECT count(*) FROM bench_card)
JOIN bench_terminal t ON t.nth = h.hash / 1000003 % (SELECT count(*) FROM bench_terminal)

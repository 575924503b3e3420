-- So many rows, one card a millisecond at most, evenly over four days; every twentieth is denied.
INSERT INTO access_log
    (occurred_at, received_at, log_offset, permission_clock, age_ms, terminal_seq, terminal_epoch,
     log_partition, reasons, granted, live, online, event_id, card_id, terminal_id, zone_id, direction)
SELECT m.at, m.at + interval '40 ms', n / 48, 1, 40, n, 1, n % 48,
       CASE WHEN n % 20 = 0 THEN 16 ELSE 0 END, n % 20 <> 0, true, true,
       md5(n::text)::uuid, 'card-' || (n * 7919 % 10000), t.terminal_id, t.zone_id,
       CASE WHEN n % 2 = 0 THEN 'in' ELSE 'out' END
FROM generate_series(0, $1::bigint - 1) n
CROSS JOIN LATERAL (
    SELECT timestamptz '2016-06-01T00:00:00Z' + n * 345600000 / $1 * interval '1 ms' AS at
) m
JOIN (SELECT terminal_id, zone_id, row_number() OVER (ORDER BY terminal_id) - 1 AS nth,
             count(*) OVER () AS terminals
      FROM terminal) t ON t.nth = n % t.terminals
ORDER BY n
ON CONFLICT DO NOTHING

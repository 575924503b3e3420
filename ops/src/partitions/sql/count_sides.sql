SELECT (SELECT count(*) FROM duplicate_event WHERE occurred_at < cut.at),
       (SELECT count(*) FROM collision WHERE occurred_at < cut.at),
       (SELECT count(*) FROM user_access_history WHERE until <= cut.at),
       (SELECT count(*) FROM shared_history WHERE until <= cut.at),
       (SELECT count(*) FROM permission_change
        WHERE clock < least((SELECT version FROM permission_clock),
                            (SELECT min(clock) FROM permission_change WHERE noted_at >= cut.at))),
       (SELECT count(*) FROM card_state
        WHERE NOT true = ANY (inside) AND coalesce(locked_until, '-infinity') < cut.at
          AND NOT EXISTS (SELECT FROM unnest(since || entered_at || denied_at) AS at
                          WHERE at >= cut.at)),
       (SELECT count(*) FROM terminal_ledger WHERE day < $1::text::date)
FROM (SELECT $1::text::date::timestamp AT TIME ZONE 'UTC' AS at) cut

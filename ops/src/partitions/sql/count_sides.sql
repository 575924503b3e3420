SELECT (SELECT count(*) FROM duplicate_event WHERE occurred_at < cut.at),
       (SELECT count(*) FROM collision WHERE occurred_at < cut.at),
       (SELECT count(*) FROM user_access_history WHERE until <= cut.at),
       (SELECT count(*) FROM shared_history WHERE until <= cut.at),
       (SELECT count(*) FROM permission_change WHERE noted_at < cut.at
                                                 AND clock < (SELECT version FROM permission_clock))
FROM (SELECT $1::text::date::timestamp AT TIME ZONE 'UTC' AS at) cut

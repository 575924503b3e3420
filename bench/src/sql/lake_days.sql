-- What DuckDB must find in the files, a line a day.
SELECT concat_ws(' ', (occurred_at AT TIME ZONE 'UTC')::date, count(*), count(*) FILTER (WHERE granted),
                 count(DISTINCT card_id), count(DISTINCT event_id), sum(cardinality(reasons)),
                 sum(terminal_seq),
                 (extract(epoch FROM min(occurred_at)) * 1000000)::bigint,
                 (extract(epoch FROM max(received_at)) * 1000000)::bigint,
                 min(event_id::text COLLATE "C"), 'UUID TIMESTAMP WITH TIME ZONE VARCHAR[]')
FROM analyst.access_event
GROUP BY (occurred_at AT TIME ZONE 'UTC')::date
ORDER BY (occurred_at AT TIME ZONE 'UTC')::date

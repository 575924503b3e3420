-- Seconds until the next day that is over by then: $1 seconds after its end.
SELECT extract(epoch FROM
    (date_trunc('day', (now() - make_interval(secs => $1)) AT TIME ZONE 'UTC') + interval '1 day')
        AT TIME ZONE 'UTC' + make_interval(secs => $1) - now())::double precision

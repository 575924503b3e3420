SELECT l.*, r.gone_before::timestamp AT TIME ZONE 'UTC' AS gone_before
FROM log_topic l, retention r

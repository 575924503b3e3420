-- From a swipe's arrival at the gateway to the commit of its row, in ms. Apart: the rows that
-- waited for the takeover, which are those of the killed consumer's partitions that had arrived
-- before its end and were not committed before the kill.
WITH at AS (
    SELECT 'epoch'::timestamptz + $2::bigint * interval '1 microsecond' AS kill,
           'epoch'::timestamptz + $3::bigint * interval '1 microsecond' AS takeover
), row AS (
    SELECT log_partition, received_at, pg_xact_commit_timestamp(xmin) AS committed_at
    FROM access_log
), timed AS (
    SELECT (extract(epoch FROM committed_at - received_at) * 1000)::float8 AS ms,
           log_partition = ANY ($1::int[]) AND committed_at > kill AND received_at <= takeover
               AS waited
    FROM row, at
)
SELECT waited,
       count(*) AS rows,
       percentile_disc(0.50) WITHIN GROUP (ORDER BY ms) AS p50_ms,
       percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) AS p99_ms
FROM timed
GROUP BY waited

-- Of each counter, all that is known of it from $4 to $5, when it came anew, and on day $6, when it had
-- come before; in the order in which they were received. The first of them has it. Each new one is a
-- conflict with that, and so is the one that was the first before. If that names the first nowhere, as
-- those were conflicts with others already, it is itself one with the second. Events of one id are
-- another kind of conflict.
WITH event AS NOT MATERIALIZED (
    SELECT terminal_id, terminal_epoch, terminal_seq, occurred_at, received_at, event_id,
           log_partition, log_offset
    FROM access_log
    UNION ALL
    SELECT terminal_id, terminal_epoch, terminal_seq, occurred_at, received_at, event_id,
           log_partition, log_offset
    FROM collision
), wanted AS (
    SELECT *
    FROM unnest($1::text[], $2::int[], $3::bigint[])
             AS w (terminal_id, terminal_epoch, terminal_seq)
), known AS (
    SELECT e.* FROM event e JOIN wanted USING (terminal_id, terminal_epoch, terminal_seq)
    WHERE e.occurred_at BETWEEN $4 AND $5
    UNION
    SELECT e.* FROM event e JOIN wanted USING (terminal_id, terminal_epoch, terminal_seq)
    WHERE e.occurred_at >= (date 'epoch' + $6::int)::timestamp AT TIME ZONE 'UTC'
      AND e.occurred_at < (date 'epoch' + $6::int + 1)::timestamp AT TIME ZONE 'UTC'
), ranked AS MATERIALIZED (
    SELECT *, occurred_at BETWEEN $4 AND $5 AS is_new,
           row_number() OVER received AS nth,
           count(*) FILTER (WHERE occurred_at NOT BETWEEN $4 AND $5)
               OVER (received ROWS UNBOUNDED PRECEDING) AS old_nth,
           first_value(event_id) OVER whole AS first_id,
           first_value(log_partition) OVER whole AS first_partition,
           first_value(log_offset) OVER whole AS first_offset,
           nth_value(event_id, 2) OVER whole AS second_id,
           nth_value(log_partition, 2) OVER whole AS second_partition,
           nth_value(log_offset, 2) OVER whole AS second_offset
    FROM known
    WINDOW received AS (PARTITION BY terminal_id, terminal_epoch, terminal_seq
                        ORDER BY received_at, log_partition, log_offset),
           whole AS (received ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
), later AS (
    INSERT INTO identity_conflict (log_partition, log_offset, kind, other_partition, other_offset)
    SELECT log_partition, log_offset, 'counter_reused', first_partition, first_offset
    FROM ranked
    WHERE nth > 1 AND event_id <> first_id AND (is_new OR old_nth = 1)
    ON CONFLICT DO NOTHING
    RETURNING log_partition, log_offset, other_partition, other_offset
), first AS (
    INSERT INTO identity_conflict (log_partition, log_offset, kind, other_partition, other_offset)
    SELECT log_partition, log_offset, 'counter_reused', second_partition, second_offset
    FROM ranked r
    WHERE nth = 1 AND event_id <> second_id AND is_new
      AND NOT EXISTS (SELECT FROM later
                      WHERE (other_partition, other_offset) = (r.log_partition, r.log_offset))
    ON CONFLICT DO NOTHING
    RETURNING log_partition, log_offset
)
SELECT r.terminal_id, count(*)
FROM (SELECT log_partition, log_offset FROM later UNION ALL TABLE first) AS named
JOIN ranked r USING (log_partition, log_offset)
GROUP BY r.terminal_id
ORDER BY r.terminal_id

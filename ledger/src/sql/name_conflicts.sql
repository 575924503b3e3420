-- Of each of these numbers all that is known from $4 to $5, in {own}, where it came anew, and of day $6,
-- in {other}, where it had come before. The first that was received has it; each later one is a conflict
-- with that. If that names the first nowhere, as the later ones were conflicts with others already, it is
-- itself one, with the second. Events of one id are another kind of conflict.
WITH wanted AS (
    SELECT *
    FROM unnest($1::text[], $2::int[], $3::bigint[])
             AS w (terminal_id, terminal_epoch, terminal_seq)
), own AS (
    SELECT terminal_id, terminal_epoch, terminal_seq, received_at, event_id, log_partition, log_offset
    FROM {own} WHERE occurred_at BETWEEN $4 AND $5
    UNION ALL
    SELECT terminal_id, terminal_epoch, terminal_seq, received_at, event_id, log_partition, log_offset
    FROM collision WHERE occurred_at BETWEEN $4 AND $5
), other AS (
    SELECT terminal_id, terminal_epoch, terminal_seq, received_at, event_id, log_partition, log_offset
    FROM {other}
    UNION ALL
    SELECT terminal_id, terminal_epoch, terminal_seq, received_at, event_id, log_partition, log_offset
    FROM collision
    WHERE occurred_at >= (date 'epoch' + $6::int)::timestamp AT TIME ZONE 'UTC'
      AND occurred_at < (date 'epoch' + $6::int + 1)::timestamp AT TIME ZONE 'UTC'
), known AS (
    SELECT own.* FROM own JOIN wanted USING (terminal_id, terminal_epoch, terminal_seq)
    UNION
    SELECT other.* FROM other JOIN wanted USING (terminal_id, terminal_epoch, terminal_seq)
), ranked AS MATERIALIZED (
    SELECT *, row_number() OVER received AS nth,
           first_value(event_id) OVER received AS first_id,
           first_value(log_partition) OVER received AS first_partition,
           first_value(log_offset) OVER received AS first_offset,
           lead(event_id) OVER received AS next_id,
           lead(log_partition) OVER received AS next_partition,
           lead(log_offset) OVER received AS next_offset
    FROM known
    WINDOW received AS (PARTITION BY terminal_id, terminal_epoch, terminal_seq
                        ORDER BY received_at, log_partition, log_offset)
), later AS (
    INSERT INTO identity_conflict (log_partition, log_offset, kind, other_partition, other_offset)
    SELECT log_partition, log_offset, 'counter_reused', first_partition, first_offset
    FROM ranked
    WHERE nth > 1 AND event_id <> first_id
    ON CONFLICT DO NOTHING
    RETURNING log_partition, log_offset, other_partition, other_offset
), first AS (
    INSERT INTO identity_conflict (log_partition, log_offset, kind, other_partition, other_offset)
    SELECT log_partition, log_offset, 'counter_reused', next_partition, next_offset
    FROM ranked r
    WHERE nth = 1 AND event_id <> next_id
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

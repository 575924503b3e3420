import sys
import duckdb

print(duckdb.__version__)
session = duckdb.connect()
session.execute("SET timezone = 'UTC'")
rows = session.execute(
    """
    SELECT strftime(day, '%Y-%m-%d'), count(*), count(*) FILTER (WHERE granted),
           count(DISTINCT card_id), count(DISTINCT event_id), sum(len(reasons))::bigint,
           sum(terminal_seq)::bigint, epoch_us(min(occurred_at)), epoch_us(max(received_at)),
           min(event_id::varchar), typeof(any_value(event_id)), typeof(any_value(occurred_at)),
           typeof(any_value(reasons))
    FROM read_parquet(?, hive_partitioning = true)
    WHERE day >= DATE '2016-06-01'
    GROUP BY day ORDER BY day
    """,
    [sys.argv[1]],
).fetchall()
for row in rows:
    print(" ".join(str(value) for value in row))

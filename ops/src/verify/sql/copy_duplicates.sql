-- {only} says which of them.
COPY (
    SELECT t.log_partition, t.log_offset, t.digest, t.occurred_at
    FROM duplicate_event t
    WHERE {only}
) TO STDOUT (FORMAT binary)

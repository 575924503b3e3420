-- {table} is dead_letter or parked_event; {only} says which of them.
COPY (
    SELECT t.log_partition, t.log_offset, t.key, t.value
    FROM {table} t
    WHERE {only}
) TO STDOUT (FORMAT binary)

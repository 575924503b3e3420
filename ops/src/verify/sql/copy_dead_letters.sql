-- {only} says which of them.
COPY (
    SELECT t.log_partition, t.log_offset, t.key, t.value
    FROM dead_letter t
    WHERE {only}
) TO STDOUT (FORMAT binary)

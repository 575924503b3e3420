-- COPY access_log itself is refused: it is partitioned.
COPY (SELECT * FROM access_log) TO STDOUT (FORMAT binary)

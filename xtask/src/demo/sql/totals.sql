SELECT (SELECT count(*) FROM access_log) AS rows,
       (SELECT count(*) FROM duplicate_event) AS duplicates,
       (SELECT count(*) FROM collision) AS collisions,
       (SELECT count(*) FROM dead_letter) AS dead_letters

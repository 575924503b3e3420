-- No step of a letter's state: its version stays.
UPDATE dead_letter
SET compensations = compensations + 1,
    compensate_at = CASE WHEN compensations + 1 < $2 THEN
        clock_timestamp()
        + random() * least($4::float8, $3::float8 * 2 ^ least(compensations, 60))
          * interval '1 millisecond'
    END
WHERE dead_letter_id = ANY ($1)

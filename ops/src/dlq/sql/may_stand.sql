-- What speaks against a letter at this place, if anything does.
SELECT CASE
    WHEN EXISTS (SELECT FROM dead_letter WHERE dead_letter_id = $1) THEN 'is there'
    WHEN EXISTS (SELECT FROM dead_letter WHERE log_partition = $2 AND log_offset = $3)
        THEN 'its offset has another dead letter'
    WHEN NOT EXISTS (SELECT FROM consumer_offset
                     WHERE log_partition = $2 AND first_offset <= $3 AND $3 < next_offset)
        THEN 'its offset was not read into this database: a consumer will find out by itself'
    WHEN EXISTS (SELECT FROM access_log
                 WHERE occurred_at = $4 AND card_id = $5
                   AND log_partition = $2 AND log_offset = $3)
      OR EXISTS (SELECT FROM collision WHERE log_partition = $2 AND log_offset = $3)
      OR EXISTS (SELECT FROM (SELECT log_offset + run AS next FROM duplicate_event
                              WHERE log_partition = $2 AND run IS NOT NULL AND log_offset <= $3
                              ORDER BY log_offset DESC LIMIT 1) d
                 WHERE $3 < d.next)
      OR EXISTS (SELECT FROM parked_event WHERE log_partition = $2 AND log_offset = $3)
      OR EXISTS (SELECT FROM offset_gap
                 WHERE log_partition = $2 AND first_offset <= $3 AND $3 < end_offset)
        THEN 'its offset has another outcome'
    WHEN $6::uuid IS NOT NULL AND NOT EXISTS (SELECT FROM dead_letter WHERE dead_letter_id = $6)
        THEN 'the letter that it is merged into is not there'
END

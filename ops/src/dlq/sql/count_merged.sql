-- A replay that failed counts in the letter that it is a replay of. No step of that letter's state:
-- its version stays.
UPDATE dead_letter
SET replay_count = m.failed
FROM (SELECT count(*) AS failed FROM dead_letter WHERE merged_into = $1) AS m
WHERE dead_letter_id = $1 AND replay_count < m.failed

SELECT s.*, (SELECT count(*) FROM user_access a WHERE a.schedule_id = s.schedule_id) AS cards
FROM schedule s
ORDER BY s.schedule_id

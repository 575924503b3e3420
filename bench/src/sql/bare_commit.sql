-- As little as a durable transaction can do.
INSERT INTO bare_commit (number, at) VALUES ($1, clock_timestamp())

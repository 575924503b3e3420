-- A terminal that is registered, and whose rows Postgres refuses.
INSERT INTO terminal (terminal_id, zone_id, direction) VALUES ('t-cursed', 'hall', 'in');
ALTER TABLE access_log ADD CONSTRAINT cursed CHECK (terminal_id <> 't-cursed') NOT VALID;

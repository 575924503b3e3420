-- A terminal that is registered, and whose rows Postgres refuses.
INSERT INTO terminal (terminal_id, zone_id, direction) VALUES ('t-cursed', 'hall', 'in');
ALTER TABLE access_log ADD CONSTRAINT cursed CHECK (terminal_id <> 't-cursed') NOT VALID;
-- Its moments are of this moment: a few meet a swipe of the same card.
ALTER TABLE collision ADD CONSTRAINT cursed CHECK (terminal_id <> 't-cursed') NOT VALID;

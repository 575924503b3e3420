-- When it fails: lanes of cards that wait, and dead letters that are put right.

-- Events that wait, in log order, behind one of their card that failed for a reason that may pass.
-- Only the owner of their partition writes here, in the transaction that moves the partition.
CREATE TABLE parked_event (
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    card_id text NOT NULL,
    opened_at timestamptz NOT NULL,
    tries integer NOT NULL CHECK (tries >= 0),
    next_try_at timestamptz NOT NULL,
    key bytea NOT NULL,
    value bytea NOT NULL,
    header_names bytea[] NOT NULL,
    header_values bytea[] NOT NULL,
    published_at timestamptz,
    PRIMARY KEY (log_partition, log_offset),
    CHECK (cardinality(header_names) = cardinality(header_values))
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_threshold = -1
);
COMMENT ON TABLE parked_event IS
    'The lanes: all rows of one card are its lane. The first is the event that failed.';
COMMENT ON COLUMN parked_event.opened_at IS
    'When the lane was opened: a card is held up for a bounded time from then on.';
COMMENT ON COLUMN parked_event.tries IS 'How often it was tried; 0 where it only waits for the first.';
COMMENT ON COLUMN parked_event.published_at IS 'The record''s Kafka timestamp.';
COMMENT ON COLUMN consumer_offset.parked IS 'Events that wait in lanes: the rows of parked_event.';

ALTER TABLE dead_letter
    ADD COLUMN sqlstate text CHECK (sqlstate ~ '^[0-9A-Z]{5}$'),
    ADD COLUMN tries integer NOT NULL DEFAULT 1 CHECK (tries >= 1),
    ADD COLUMN event_id uuid,
    ADD COLUMN card_id text,
    ADD COLUMN terminal_id text,
    ADD COLUMN occurred_at timestamptz,
    ADD COLUMN replay_count integer NOT NULL DEFAULT 0 CHECK (replay_count >= 0),
    ADD COLUMN lease_until timestamptz,
    ADD COLUMN merged_into uuid REFERENCES dead_letter,
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN compensations integer NOT NULL DEFAULT 0 CHECK (compensations >= 0),
    ADD COLUMN compensate_at timestamptz,
    ADD COLUMN amended_key bytea,
    ADD COLUMN amended_value bytea,
    ADD COLUMN amended_header_names bytea[],
    ADD COLUMN amended_header_values bytea[],
    ADD CHECK ((state = 'replaying') = (lease_until IS NOT NULL)),
    ADD CHECK ((state = 'merged') = (merged_into IS NOT NULL)),
    ADD CHECK ((state IN ('open', 'replaying')) = (settled_at IS NULL)),
    ADD CHECK (num_nulls(event_id, card_id, terminal_id, occurred_at) IN (0, 4)),
    ADD CHECK (num_nulls(amended_key, amended_value, amended_header_names, amended_header_values) IN (0, 4)),
    ADD CHECK (cardinality(amended_header_names) = cardinality(amended_header_values));
COMMENT ON TABLE dead_letter IS
    'Events that could not be applied, with their original bytes, and what became of them.';
COMMENT ON COLUMN dead_letter.state IS
    'open; replaying: published once more, until lease_until; resolved: a replay was applied; superseded: its identity had become a row meanwhile; discarded by an operator; merged: itself a replay that failed, counted in merged_into.';
COMMENT ON COLUMN dead_letter.version IS 'Starts at 1, plus 1 at each step of its state.';
COMMENT ON COLUMN dead_letter.sqlstate IS 'What Postgres said to its row, where it was Postgres.';
COMMENT ON COLUMN dead_letter.tries IS 'How often it was tried before it was given up.';
COMMENT ON COLUMN dead_letter.event_id IS
    'With card_id, terminal_id and occurred_at what its value says; null where it could not be read.';
COMMENT ON COLUMN dead_letter.replay_count IS 'Replays of it that failed again.';
COMMENT ON COLUMN dead_letter.lease_until IS
    'A replay whose outcome is not known by then may be started over.';
COMMENT ON COLUMN dead_letter.compensations IS 'Replays that nobody had to ask for.';
COMMENT ON COLUMN dead_letter.compensate_at IS
    'When the next one may start, if what was wrong has healed; null where none will.';
COMMENT ON COLUMN dead_letter.amended_value IS
    'With key and headers what an operator made of it: an event with an id of its own, which replays send instead.';

-- Each replay looks for its letter, each compensator for what is due, each operator for what is open.
CREATE INDEX dead_letter_replaying ON dead_letter (dead_letter_id) WHERE state = 'replaying';
CREATE INDEX dead_letter_due ON dead_letter (compensate_at) WHERE compensate_at IS NOT NULL;
CREATE INDEX dead_letter_unsettled ON dead_letter (created_at) WHERE settled_at IS NULL;

CREATE TABLE dead_letter_action (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dead_letter_id uuid NOT NULL REFERENCES dead_letter,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL CHECK (actor <> ''),
    action text NOT NULL CHECK (action IN (
        'replay', 'compensate', 'edit', 'discard', 'import', 'rebuild',
        'resolved', 'superseded', 'failed_again')),
    reason text CHECK (length(reason) BETWEEN 1 AND 500),
    version bigint NOT NULL,
    detail jsonb
);
CREATE INDEX dead_letter_action_letter ON dead_letter_action (dead_letter_id, id);
COMMENT ON TABLE dead_letter_action IS
    'What was done to dead letters: by operators, compensators, and the consumer that applied a replay.';
COMMENT ON COLUMN dead_letter_action.version IS 'Of the letter, after it.';

-- Dead letters and replays go out as they are: any key, any value, or none.
ALTER TABLE outbox
    DROP CONSTRAINT outbox_kind_check,
    ADD CHECK (kind IN ('decision', 'dead_letter', 'replay')),
    ALTER COLUMN key DROP NOT NULL,
    ALTER COLUMN value DROP NOT NULL;
-- They are few, wait for nobody at a door, and may stand at any offset: found by looking, not by
-- reading on from the last.
CREATE INDEX outbox_letters ON outbox (log_partition, log_offset) WHERE kind <> 'decision';

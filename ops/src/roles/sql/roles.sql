-- Roles of gatelog: what `gatelog roles --apply` does, in one transaction. For the database's owner,
-- who must be allowed to make roles. Doing it again is harmless, and takes back what was granted to
-- these three beside it. Roles belong to the server, grants to the database.

-- While a day is made, what it takes over must stand still.
SELECT pg_advisory_xact_lock(7310306018);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['gatelog_reader', 'gatelog_writer', 'gatelog_operator'] LOOP
        BEGIN
            IF to_regrole(name) IS NULL THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        -- Made at this moment for another database of the server.
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO gatelog_reader, gatelog_writer, gatelog_operator',
                   current_database());
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM gatelog_reader, gatelog_writer, gatelog_operator;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM gatelog_reader, gatelog_writer, gatelog_operator;
REVOKE ALL ON ALL ROUTINES IN SCHEMA public FROM gatelog_reader, gatelog_writer, gatelog_operator;
REVOKE ALL ON ALL TABLES IN SCHEMA analyst FROM gatelog_reader, gatelog_writer, gatelog_operator;
REVOKE ALL ON ALL ROUTINES IN SCHEMA analyst FROM gatelog_reader, gatelog_writer, gatelog_operator;
REVOKE ALL ON SCHEMA public, analyst FROM gatelog_reader, gatelog_writer, gatelog_operator;

-- Readers: the views, those of later versions too, and nothing else.
GRANT USAGE ON SCHEMA analyst TO gatelog_reader, gatelog_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA analyst TO gatelog_reader, gatelog_operator;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA analyst TO gatelog_reader, gatelog_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA analyst
    GRANT SELECT ON TABLES TO gatelog_reader, gatelog_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA analyst
    GRANT EXECUTE ON ROUTINES TO gatelog_reader, gatelog_operator;

-- Writers: what gatelog-consumer does, and no more. Rows of access_log are added, and never changed.
GRANT USAGE ON SCHEMA public TO gatelog_writer;
GRANT EXECUTE
    ON FUNCTION ensure_day(date), seal_batch(), permission_lock(),
       record_bytes(bytea, bytea, bytea[], bytea[])
    TO gatelog_writer;
GRANT SELECT, INSERT
    ON access_log, collision, duplicate_event, identity_conflict, offset_gap, dead_letter_action
    TO gatelog_writer;
GRANT SELECT, INSERT, UPDATE ON consumer_offset, card_state, dead_letter, terminal_ledger
    TO gatelog_writer;
GRANT SELECT, INSERT, DELETE ON ledger_delta TO gatelog_writer;
GRANT SELECT, UPDATE ON ledger_fold TO gatelog_writer;
GRANT SELECT, INSERT, UPDATE (topic_id) ON log_topic TO gatelog_writer;
GRANT SELECT, INSERT, UPDATE (sealed_at) ON log_seal TO gatelog_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON parked_event, outbox TO gatelog_writer;
GRANT SELECT
    ON refinery_schema_history, retention, log_base, dropped_sum, terminal, permission_clock,
       permission_change, user_access_history, shared_history
    TO gatelog_writer;

-- Operators: dead letters, how far the log has been read, and the views. What a replay sends goes
-- through the outbox, but no decision does: its column kind is not theirs, and a trigger of V14 keeps
-- them from changing one.
GRANT USAGE ON SCHEMA public TO gatelog_operator;
GRANT EXECUTE ON FUNCTION record_bytes(bytea, bytea, bytea[], bytea[]) TO gatelog_operator;
GRANT SELECT, INSERT, UPDATE ON dead_letter TO gatelog_operator;
GRANT SELECT, INSERT ON dead_letter_action TO gatelog_operator;
GRANT SELECT, DELETE,
    INSERT (log_partition, log_offset, key, value, header_names, header_values, since),
    UPDATE (key, value, header_names, header_values, since, expires_at, taken)
    ON outbox TO gatelog_operator;
GRANT SELECT
    ON access_log, collision, duplicate_event, identity_conflict, parked_event, offset_gap,
       consumer_offset, log_topic, retention, terminal
    TO gatelog_operator;

-- The days that are there. A new day takes over who may read access_log and add to it (ensure_day).
DO $$
DECLARE
    leaf regclass;
BEGIN
    FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'access_log'::regclass LOOP
        EXECUTE format('GRANT SELECT ON %s TO gatelog_writer, gatelog_operator', leaf);
        EXECUTE format('GRANT INSERT ON %s TO gatelog_writer', leaf);
    END LOOP;
END $$;

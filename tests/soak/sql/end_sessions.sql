-- Lies in wait for a consumer's session in the middle of a COPY, for 2 s at most, and ends it there;
-- where none comes by, ends all of the consumers' sessions.
CREATE TEMPORARY TABLE ended (ended bigint NOT NULL, in_copy bigint NOT NULL);
DO $$
DECLARE
    until CONSTANT timestamptz := clock_timestamp() + interval '2 s';
    caught bigint;
BEGIN
    LOOP
        -- A transaction sees one state of the sessions, unless it asks for another.
        PERFORM pg_stat_clear_snapshot();
        SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) INTO caught
        FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'gatelog-consumer%'
          AND state = 'active' AND query LIKE 'COPY access_log%';
        EXIT WHEN caught > 0 OR clock_timestamp() > until;
        PERFORM pg_sleep(0.001);
    END LOOP;
    INSERT INTO ended VALUES (caught, caught);
    IF caught = 0 THEN
        UPDATE ended SET ended = (
            SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
            FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'gatelog-consumer%'
        );
    END IF;
END $$;

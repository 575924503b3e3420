-- Consumers write the rows of a day to the day's own table, so whoever may add rows to access_log may
-- add them to its days. A row of another day is refused there, too.

-- The function below takes this over: see V1.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Nobody makes a day meanwhile.
DO $$
DECLARE
    leaf regclass;
    writer oid;
BEGIN
    PERFORM pg_advisory_xact_lock(7310306018);
    FOR leaf, writer IN
        SELECT i.inhrelid, a.grantee
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent, aclexplode(c.relacl) a
        WHERE i.inhparent = 'access_log'::regclass AND a.privilege_type = 'INSERT'
          AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT INSERT ON %s TO %s', leaf, writer::regrole);
    END LOOP;
END $$;

-- As in V14, and who may add rows to access_log may add them to the new day, and to one that was made
-- without that: by an older version beside this migration, or detached then and attached again.
CREATE OR REPLACE FUNCTION ensure_day(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    leaf CONSTANT text := 'access_log_' || to_char(day, 'YYYYMMDD');
    is_new boolean;
    privilege text;
    grantee oid;
BEGIN
    PERFORM pg_advisory_xact_lock(7310306018);
    IF day < (SELECT oldest_day FROM retention) OR day > (now() AT TIME ZONE 'UTC')::date + 2 THEN
        RAISE EXCEPTION 'day % is outside the range that is kept', day USING ERRCODE = 'GL001';
    END IF;
    is_new := to_regclass(leaf) IS NULL;
    IF is_new THEN
        EXECUTE format('CREATE TABLE %I (LIKE access_log INCLUDING ALL)', leaf);
    ELSE
        PERFORM FROM pg_inherits
        WHERE inhrelid = to_regclass(leaf) AND inhparent = 'access_log'::regclass
          AND NOT inhdetachpending;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'table % is there, but is no partition of access_log: attach it, or take it away', leaf;
        END IF;
    END IF;
    FOR privilege, grantee IN
        SELECT a.privilege_type, a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'access_log'::regclass AND a.privilege_type IN ('SELECT', 'INSERT')
          AND a.grantee NOT IN (0, c.relowner)
        EXCEPT
        SELECT a.privilege_type, a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = to_regclass(leaf)
    LOOP
        EXECUTE format('GRANT %s ON %I TO %s', privilege, leaf, grantee::regrole);
    END LOOP;
    IF is_new THEN
        EXECUTE format(
            'ALTER TABLE access_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            leaf, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    END IF;
    RETURN is_new;
END $$;

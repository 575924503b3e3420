-- Ground for roles: who is granted nothing can do nothing, and what was granted for access_log holds
-- for the days to come. `gatelog roles` makes the roles themselves.

-- The functions below take this over: see V1.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Postgres lets everyone execute a new function. Ours make days, and note changes of permissions with
-- the owner's rights. Triggers need no such right of whoever fires them.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace
          AND p.proowner = current_user::regrole
          AND NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END $$;

-- As in V7, and who may read access_log may read the new day: consumers read days by their name.
CREATE OR REPLACE FUNCTION ensure_day(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    leaf CONSTANT text := 'access_log_' || to_char(day, 'YYYYMMDD');
    reader oid;
BEGIN
    PERFORM pg_advisory_xact_lock(7310306018);
    IF day < (SELECT oldest_day FROM retention) OR day > (now() AT TIME ZONE 'UTC')::date + 2 THEN
        RAISE EXCEPTION 'day % is outside the range that is kept', day USING ERRCODE = 'GL001';
    END IF;
    IF to_regclass(leaf) IS NOT NULL THEN
        PERFORM FROM pg_inherits
        WHERE inhrelid = to_regclass(leaf) AND inhparent = 'access_log'::regclass
          AND NOT inhdetachpending;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'table % is there, but is no partition of access_log: attach it, or take it away', leaf;
        END IF;
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE access_log INCLUDING ALL)', leaf);
    FOR reader IN
        SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'access_log'::regclass AND a.privilege_type = 'SELECT'
          AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON %I TO %s', leaf, reader::regrole);
    END LOOP;
    EXECUTE format(
        'ALTER TABLE access_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        leaf, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    RETURN true;
END $$;

-- Whoever replays a dead letter leaves it in the outbox; but a decision there opens a door, and is for
-- those alone who may write the row that it tells of. Operators may not say a row's kind: theirs are
-- replays. And what they may change of those they may not change of decisions: a trigger says so, of
-- updates alone, which consumers have none of but for letters.
ALTER TABLE outbox ALTER COLUMN kind SET DEFAULT 'replay';

CREATE FUNCTION refuse_decision() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'permission denied for decisions of table outbox' USING ERRCODE = '42501';
END $$;
REVOKE EXECUTE ON FUNCTION refuse_decision() FROM PUBLIC;
CREATE TRIGGER decisions_come_with_rows BEFORE UPDATE ON outbox
    FOR EACH ROW
    WHEN ((OLD.kind = 'decision' OR NEW.kind = 'decision')
          AND NOT has_table_privilege('access_log'::regclass, 'INSERT'))
    EXECUTE FUNCTION refuse_decision();

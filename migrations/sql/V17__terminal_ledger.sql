-- What each terminal's counter has given: what is missing of it, and what it gave twice.

-- What a batch has made rows and collisions of: one row a batch, in its transaction, which is folded
-- into terminal_ledger later and deleted. Batches only add to it, so none waits for another.
CREATE TABLE ledger_delta (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    events bigint NOT NULL CHECK (events > 0),
    terminal_ids text[] NOT NULL,
    terminal_epochs integer[] NOT NULL,
    occurred_from timestamptz[] NOT NULL,
    occurred_to timestamptz[] NOT NULL,
    ends integer[] NOT NULL,
    seqs bytea NOT NULL
);
-- They live for seconds, and are in few bytes already: not worth compressing.
ALTER TABLE ledger_delta ALTER COLUMN seqs SET STORAGE EXTERNAL;
COMMENT ON TABLE ledger_delta IS
    'Counters of the rows and collisions of one batch, by terminal, epoch and UTC day: element n of each array, and the bytes of seqs behind ends[n-1] up to ends[n] (ledger/src/numbers.rs).';

CREATE TABLE terminal_ledger (
    terminal_id text NOT NULL,
    terminal_epoch integer NOT NULL,
    block bigint NOT NULL,
    day date NOT NULL,
    seen int8multirange NOT NULL,
    events bigint NOT NULL CHECK (events > 0),
    PRIMARY KEY (terminal_id, terminal_epoch, block, day)
);
COMMENT ON TABLE terminal_ledger IS
    'Numbers of a terminal''s counter (terminal_seq) that rows and collisions of a UTC day have, by epoch; of those that were written since this table is there.';
COMMENT ON COLUMN terminal_ledger.block IS 'Which thousand of numbers: terminal_seq / 1000.';
COMMENT ON COLUMN terminal_ledger.seen IS
    'The numbers, but for 9223372036854775807, behind which no range can end.';
COMMENT ON COLUMN terminal_ledger.events IS
    'Rows and collisions: more than there are numbers in seen where some came twice.';

-- Whose turn it is to fold: one at a time, and none before next_at.
CREATE TABLE ledger_fold (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    next_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO ledger_fold DEFAULT VALUES;

COMMENT ON COLUMN identity_conflict.other_offset IS
    'Offset of the other event; of another day perhaps, with which it may be gone.';

-- Whoever may add rows to access_log keeps this beside it. (`gatelog roles --apply` says the same.)
DO $$
DECLARE
    writer oid;
BEGIN
    FOR writer IN
        SELECT a.grantee FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'access_log'::regclass AND a.privilege_type = 'INSERT'
          AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, DELETE ON ledger_delta TO %s', writer::regrole);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON terminal_ledger TO %s', writer::regrole);
        EXECUTE format('GRANT SELECT, UPDATE ON ledger_fold TO %s', writer::regrole);
    END LOOP;
END $$;

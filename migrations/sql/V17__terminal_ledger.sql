-- What each terminal's counter has given: what is missing of it, and what it gave twice.

-- What a batch has made rows and collisions of: one row a batch, in its transaction, which is folded
-- into terminal_ledger later and deleted. Batches only add to it, so none waits for another.
CREATE TABLE ledger_delta (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    events integer NOT NULL GENERATED ALWAYS AS (cardinality(seqs)) STORED,
    terminal_ids text[] NOT NULL,
    terminal_epochs integer[] NOT NULL,
    occurred_from timestamptz[] NOT NULL,
    occurred_to timestamptz[] NOT NULL,
    ends integer[] NOT NULL,
    seqs bigint[] NOT NULL
);
-- They live for seconds: not worth compressing.
ALTER TABLE ledger_delta ALTER COLUMN seqs SET STORAGE EXTERNAL;
COMMENT ON TABLE ledger_delta IS
    'Counters of the rows and collisions of one batch, by terminal, epoch and UTC day: element n of each array, and of seqs those behind ends[n-1] up to ends[n].';

CREATE TABLE terminal_ledger (
    terminal_id text NOT NULL,
    terminal_epoch integer NOT NULL,
    day date NOT NULL,
    seen int8multirange NOT NULL,
    events bigint NOT NULL CHECK (events > 0),
    PRIMARY KEY (terminal_id, terminal_epoch, day)
);
-- Its size says how many ranges there are.
ALTER TABLE terminal_ledger ALTER COLUMN seen SET STORAGE EXTERNAL;
-- What a number that has just come could stand in: of a counter that only goes up, today.
CREATE INDEX terminal_ledger_end ON terminal_ledger (terminal_id, terminal_epoch, upper(seen));
COMMENT ON TABLE terminal_ledger IS
    'Numbers of a terminal''s counter (terminal_seq) that rows and collisions of a UTC day have, by epoch.';
COMMENT ON COLUMN terminal_ledger.events IS
    'Rows and collisions with a counter: more than there are numbers in seen where some came twice.';

-- greatest() leaves out a null.
UPDATE retention
SET oldest_day = greatest(oldest_day, $1::text::date),
    gone_before = greatest(gone_before, $1::text::date)

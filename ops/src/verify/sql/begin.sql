BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
-- A day is read in less time than its reader would take to compile.
SET LOCAL jit = off;
-- The log may take longer to read than the tables, and both as long as they need.
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL statement_timeout = 0

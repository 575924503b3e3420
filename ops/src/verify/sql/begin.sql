BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
-- A leaf is read in less time than its reader would take to compile.
SET LOCAL jit = off

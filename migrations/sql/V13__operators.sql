-- Who has changed who may go where, and what operators may do beside that.

-- The user of the system, where a command says so (`SET gatelog.actor`), and the role of the database;
-- the role alone for what is typed in psql. Triggers that run with the owner's rights know the role too.
-- What was written before stays null.
ALTER TABLE user_access_history ADD COLUMN changed_by text;
ALTER TABLE user_access_history ALTER COLUMN changed_by SET DEFAULT
    coalesce(nullif(current_setting('gatelog.actor', true), '') || ' as ', '') || session_user;
COMMENT ON COLUMN user_access_history.changed_by IS 'By whom this state came to be.';

ALTER TABLE shared_history ADD COLUMN changed_by text;
ALTER TABLE shared_history ALTER COLUMN changed_by SET DEFAULT
    coalesce(nullif(current_setting('gatelog.actor', true), '') || ' as ', '') || session_user;
COMMENT ON COLUMN shared_history.changed_by IS 'By whom this state came to be.';

-- What was deleted has no next state: this says by whom, for as long as changes are kept.
ALTER TABLE permission_change ADD COLUMN changed_by text;
ALTER TABLE permission_change ALTER COLUMN changed_by SET DEFAULT
    coalesce(nullif(current_setting('gatelog.actor', true), '') || ' as ', '') || session_user;

ALTER TABLE operator_action DROP CONSTRAINT operator_action_action_check;
ALTER TABLE operator_action ADD CONSTRAINT operator_action_action_check
    CHECK (action IN ('accept_loss', 'reset', 'detach_days', 'drop_days', 'forgive'));

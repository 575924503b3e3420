//! Postgres: by SQLSTATE (documentation, appendix A, "PostgreSQL Error Codes").

use std::error::Error as _;

use tokio_postgres::types::{WasNull, WrongType};

use crate::Class;

/// CHECK violated: a constraint's, which has a name, or a partition's.
const CHECK_VIOLATION: &str = "23514";
/// `ensure_day` refused: the day is not kept.
const OUTSIDE_KEPT_DAYS: &str = "GL001";

/// Class of an error that Postgres reported, or the lack of an answer.
pub fn of_postgres(error: &tokio_postgres::Error) -> Class {
    if let Some(error) = error.as_db_error() {
        return of_sqlstate(error.code().code(), error.constraint());
    }
    // A value that does not fit what the statement says: no connection mends that.
    if error.source().is_some_and(|source| source.is::<WrongType>() || source.is::<WasNull>()) {
        return Class::Bug;
    }
    // No SQLSTATE: the connection broke, or could not be made.
    Class::Outage
}

/// Class of a SQLSTATE; `constraint` is the name of the constraint that was violated, if Postgres
/// names one.
///
/// A unique key that is taken (23505) is a bad row here: where it may be another writer's, ask for
/// that first.
pub fn of_sqlstate(code: &str, constraint: Option<&str>) -> Class {
    match code {
        // Serialization failure, deadlock, lock_timeout or NOWAIT.
        "40001" | "40P01" | "55P03" => Class::Contention,
        // The oldest kept day moved since it was looked at.
        OUTSIDE_KEPT_DAYS => Class::Contention,
        // Whether it was committed is not known: the fence of the next try finds out.
        "40003" => Class::Outage,
        // Read-only: a standby, or a primary that is being demoted.
        "25006" => Class::Outage,
        // idle_in_transaction_session_timeout and transaction_timeout (new in Postgres 17): we were
        // too slow, as one is on a machine that has too much to do. The session is gone.
        "25P03" | "25P04" => Class::Outage,
        // No partition takes the row: its day was detached since it was looked for.
        CHECK_VIOLATION if constraint.is_none() => Class::Outage,
        // "cached plan must not change result type", and a prepared statement that is no more.
        "0A000" | "26000" => Class::StalePlan,
        _ => of_class(code.get(..2).unwrap_or_default()),
    }
}

/// Class of the SQLSTATEs whose first two characters are these, less the exceptions above.
fn of_class(class: &str) -> Class {
    match class {
        // Connection; authorization at login (a password that is being rotated); resources (disk,
        // memory, connections); intervention (shutdown, start-up, cancelled, statement_timeout);
        // trouble outside Postgres (its disk).
        "08" | "28" | "53" | "57" | "58" => Class::Outage,
        // Data; integrity constraints; limits of the program.
        "22" | "23" | "54" => Class::BadRow,
        // Syntax and rights (42), Postgres' own trouble (XX), which waiting does not mend and which
        // may be damage, and whatever nobody has thought of.
        _ => Class::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_code() {
        let named = Some("access_log_pkey");
        let table = [
            ("08006", None, Class::Outage),
            ("08P01", None, Class::Outage),
            ("28P01", None, Class::Outage),
            ("53100", None, Class::Outage),
            ("53300", None, Class::Outage),
            ("57014", None, Class::Outage),
            ("57P01", None, Class::Outage),
            ("57P03", None, Class::Outage),
            ("58030", None, Class::Outage),
            ("25006", None, Class::Outage),
            ("25P03", None, Class::Outage),
            ("25P04", None, Class::Outage),
            ("40003", None, Class::Outage),
            ("23514", None, Class::Outage),
            ("40001", None, Class::Contention),
            ("40P01", None, Class::Contention),
            ("55P03", None, Class::Contention),
            ("GL001", None, Class::Contention),
            ("23514", named, Class::BadRow),
            ("23505", named, Class::BadRow),
            ("23505", None, Class::BadRow),
            ("23502", None, Class::BadRow),
            ("22021", None, Class::BadRow),
            ("22P02", None, Class::BadRow),
            ("54000", None, Class::BadRow),
            ("0A000", None, Class::StalePlan),
            ("26000", None, Class::StalePlan),
            ("42501", None, Class::Bug),
            ("42P01", None, Class::Bug),
            ("XX000", None, Class::Bug),
            ("XX001", None, Class::Bug),
            ("25P02", None, Class::Bug),
            ("40000", None, Class::Bug),
            ("40002", None, Class::Bug),
            ("55006", None, Class::Bug),
            ("P0001", None, Class::Bug),
        ];
        for (code, constraint, class) in table {
            assert_eq!(of_sqlstate(code, constraint), class, "{code} {constraint:?}");
        }
    }

    #[test]
    fn what_is_no_sqlstate_is_a_bug() {
        for code in ["", "2", "ZZZZZ", "GL002", "\u{fc}", "2\u{fc}001"] {
            assert_eq!(of_sqlstate(code, None), Class::Bug, "{code:?}");
        }
    }
}

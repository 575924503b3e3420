//! `gatelog roles login`: a role that logs in, with a password that Postgres is never sent.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use console::Term;
use postgres_protocol::password::scram_sha_256;
use serde::Serialize;
use settings::Secret;
use tokio_postgres::Transaction;

use super::Role;
use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The role that logs in.
    pub login: String,
    /// Whether there was none of that name.
    pub made: bool,
    /// The group roles that it is in now.
    pub roles: Vec<&'static str>,
}

/// Characters that a password has at least (NIST SP 800-63B, 5.1.1.1).
const PASSWORD_LENGTH_MIN: usize = 8;
/// More than any password; less than a file that was named by mistake.
const PASSWORD_LENGTH_MAX: usize = 1_024;
/// What Postgres keeps of a name, in bytes.
const NAME_LENGTH_MAX: usize = 63;

/// Makes the role or changes it, with the password that stands in `file`, or on standard input.
///
/// # Errors
/// See [`login`]; a password that cannot be read or is too short.
pub async fn run(
    settings: &Settings,
    name: &str,
    roles: &[Role],
    file: Option<&Path>,
    json: bool,
) -> Result<Verdict, Error> {
    check_name(name)?;
    let password = read_password(name, file)?;
    let report = login(settings, name, roles, &password).await?;
    if json {
        output::print_json(&report)?;
    } else {
        let (made, roles) = (if report.made { "made" } else { "changed" }, report.roles.join(", "));
        output::print(&format!("{name} {made}: logs in, and is in {roles}\n"))?;
    }
    Ok(Verdict::Fine)
}

/// Makes the role or changes it: its password, and which of the group roles it is in.
///
/// # Errors
/// [`Error::Usage`] for a name that is no login of ours; Postgres' own.
pub async fn login(
    settings: &Settings,
    name: &str,
    roles: &[Role],
    password: &Secret,
) -> Result<Report, Error> {
    check_name(name)?;
    let mut client = connect::postgres(&settings.postgres).await?;
    let transaction = client.transaction().await?;
    groups_are_there(&transaction).await?;
    let ours: Vec<&str> = Role::ALL.map(Role::as_str).to_vec();
    let found = transaction.query_opt(include_str!("sql/login.sql"), &[&name, &ours]).await?;
    if found.as_ref().is_some_and(|row| row.get("is_more")) {
        return Err(Error::Usage(format!(
            "role {name} is there, and may do more than gatelog's roles: name another"
        )));
    }
    let is_in: Vec<String> = found.as_ref().map_or_else(Vec::new, |row| row.get("roles"));
    let verb = if found.is_some() { "ALTER" } else { "CREATE" };
    let quoted = quoted(name);
    // What is sent says whether a password is right, not what it is: it may stand in logs.
    let verifier = scram_sha_256(password.expose().as_bytes());
    transaction.batch_execute(&format!("{verb} ROLE {quoted} LOGIN PASSWORD '{verifier}'")).await?;
    for role in Role::ALL {
        let (wanted, has) = (roles.contains(&role), is_in.iter().any(|had| had == role.as_str()));
        let sql = match (wanted, has) {
            (true, false) => format!("GRANT {} TO {quoted}", role.as_str()),
            (false, true) => format!("REVOKE {} FROM {quoted}", role.as_str()),
            _ => continue,
        };
        transaction.batch_execute(&sql).await?;
    }
    transaction.commit().await?;
    let roles = Role::ALL.into_iter().filter(|role| roles.contains(role)).map(Role::as_str);
    Ok(Report { login: name.to_owned(), made: found.is_none(), roles: roles.collect() })
}

async fn groups_are_there(transaction: &Transaction<'_>) -> Result<(), Error> {
    for role in Role::ALL.map(Role::as_str) {
        let sql = "SELECT to_regrole($1) IS NOT NULL";
        if !transaction.query_one(sql, &[&role]).await?.get::<_, bool>(0) {
            let problem = format!("there is no role {role}: `gatelog roles --apply` makes it");
            return Err(Error::Usage(problem));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() || name.len() > NAME_LENGTH_MAX {
        "must have 1 to 63 bytes"
    } else if name.chars().any(char::is_control) {
        "must be visible"
    } else if name.starts_with("pg_") || ["public", "none"].contains(&name) {
        "is a name of Postgres' own"
    } else if Role::ALL.iter().any(|role| role.as_str() == name) {
        "is a role that others are put into: nobody logs in as it"
    } else {
        return Ok(());
    };
    Err(Error::Usage(format!("role {name:?} {problem}")))
}

/// From a file, from a person who is asked, or from what is piped in: one line.
fn read_password(name: &str, file: Option<&Path>) -> Result<Secret, Error> {
    let lost = |error: io::Error| Error::Usage(format!("the password cannot be read: {error}"));
    let line = if let Some(path) = file {
        let text = std::fs::read_to_string(path);
        text.map_err(|source| Error::File { path: path.to_owned(), source })?
    } else if io::stdin().is_terminal() {
        let term = Term::stderr();
        let ask = |what: &str| {
            term.write_str(what)?;
            term.read_secure_line()
        };
        let typed = ask(&format!("password of {name}: ")).map_err(lost)?;
        if ask("once more: ").map_err(lost)? != typed {
            return Err(Error::Usage("these were two passwords".to_owned()));
        }
        typed
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(lost)?;
        line
    };
    check_password(&line)
}

fn check_password(text: &str) -> Result<Secret, Error> {
    let password = text.strip_suffix('\n').unwrap_or(text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    let problem = match password.chars().count() {
        _ if password.contains(['\n', '\0']) => "must be one line",
        length if length < PASSWORD_LENGTH_MIN => "must have 8 characters at least",
        length if length > PASSWORD_LENGTH_MAX => "must have 1,024 characters at most",
        _ => return Ok(Secret::new(password)),
    };
    Err(Error::Usage(format!("the password {problem}")))
}

/// As an identifier of SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_login_are_refused() {
        for name in ["", "pg_read_all_data", "public", "gatelog_writer", "a\nb", &"x".repeat(64)] {
            assert_eq!(check_name(name).unwrap_err().exit_code(), 2, "{name:?}");
        }
        for name in ["anna", "Kim \"the\" door", &"x".repeat(63)] {
            check_name(name).unwrap();
        }
        assert_eq!(quoted("a\"; DROP TABLE x"), "\"a\"\"; DROP TABLE x\"");
    }

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for text in ["hunter22\n", "hunter22\r\n", "hunter22"] {
            assert_eq!(check_password(text).unwrap().expose(), "hunter22");
        }
        assert_eq!(check_password(" spaces count ").unwrap().expose(), " spaces count ");
        for text in ["", "\n", "hunter2\n", "hunter22\nhunter22\n"] {
            let error = check_password(text).unwrap_err();
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
    }
}

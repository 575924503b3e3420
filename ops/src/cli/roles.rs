//! Arguments of `gatelog roles`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::roles::{self, Role, login};
use crate::settings::Settings;
use crate::{Error, Verdict};

pub(super) const HELP: &str = "\
Prints the SQL that makes three roles, which nobody logs in as, and grants what each needs; --apply
runs it, in one transaction. Doing it again is harmless. It takes back what was granted to these
roles beside it, and covers days and views that are made later.

  gatelog_reader    reads the views of schema analyst, and nothing else
  gatelog_writer    what gatelog-consumer does: adds rows to access_log, and never changes one
  gatelog_operator  acts on dead letters, sees how far the log was read, reads the views

`gatelog setup`, `access`, `partitions`, `verify` and what changes offsets are for the owner.

Examples:
  gatelog roles
  gatelog roles --apply
  gatelog roles login consumer --in writer < password
  gatelog roles login anna --in reader --in operator";

const LOGIN: &str = "\
Makes a role that logs in, or changes its password and which of gatelog's roles it is in. The
password is asked for, or comes from a pipe or a file: one line, never an argument. The server is
sent only a SCRAM-SHA-256 verifier of it, so that no log can hold it.

Let all consumers log in as one: a consumer ends the session of a predecessor that was stopped in
the middle of a transaction, and Postgres lets it do that to its own alone.

Examples:
  gatelog roles login consumer --in writer < password
  gatelog roles login anna --in reader --password-file anna.txt
  gatelog roles login anna --in reader --in operator";

/// Who may do what in the database.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Roles {
    /// Make the roles and the grants; without it this only prints them
    #[arg(long)]
    pub apply: bool,
    /// Something else
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else to do about roles.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a role that logs in, or change it; the password is read from standard input
    #[command(after_help = LOGIN, after_long_help = LOGIN)]
    Login(Login),
}

/// Arguments of `roles login`.
#[derive(Debug, Args)]
pub struct Login {
    /// Name of the role
    pub name: String,
    /// What it may do; may be given several times. It is in these afterwards, and in no other of
    /// gatelog's roles
    #[arg(long = "in", value_name = "ROLE", required = true)]
    pub roles: Vec<Role>,
    /// Read the password from this file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Does what `args` say.
pub(super) async fn run(args: Roles, settings: &Settings, json: bool) -> Result<Verdict, Error> {
    match args.command {
        None => roles::run(settings, args.apply, json).await,
        Some(Command::Login(Login { name, roles, password_file })) => {
            login::run(settings, &name, &roles, password_file.as_deref(), json).await
        }
    }
}

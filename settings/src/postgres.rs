use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use tokio_postgres::config::{Host, SslMode};

use crate::{Error, Secret};

/// How to reach Postgres.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Postgres {
    /// `postgres://user:password@host:port/database`.
    #[serde(serialize_with = "without_password")]
    pub url: Secret,
    /// How long one attempt to connect may take, in ms.
    pub connect_timeout_ms: u64,
    /// How long the network may leave sent bytes unacknowledged before the connection counts as
    /// lost, in ms (`TCP_USER_TIMEOUT`).
    pub tcp_user_timeout_ms: u64,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            url: Secret::new("postgres://gatelog:gatelog@127.0.0.1:5432/gatelog"),
            connect_timeout_ms: 5_000,
            tcp_user_timeout_ms: 10_000,
        }
    }
}

impl Postgres {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Error::Value`] with the key's path.
    pub fn check(&self) -> Result<(), Error> {
        for (key, value) in [
            ("postgres.connect_timeout_ms", self.connect_timeout_ms),
            ("postgres.tcp_user_timeout_ms", self.tcp_user_timeout_ms),
        ] {
            if !(100..=600_000).contains(&value) {
                return Err(Error::value(key, "must lie between 100 and 600000"));
            }
        }
        self.parse().map(drop)
    }

    /// Connection parameters; `application_name` is how the session shows in `pg_stat_activity`.
    ///
    /// # Errors
    /// The URL is none that Postgres understands; checked before by [`Self::check`].
    pub fn connect_config(&self, application_name: &str) -> Result<tokio_postgres::Config, Error> {
        let mut config = self.parse()?;
        config
            .application_name(application_name)
            .connect_timeout(Duration::from_millis(self.connect_timeout_ms))
            .tcp_user_timeout(Duration::from_millis(self.tcp_user_timeout_ms))
            .keepalives_idle(Duration::from_secs(10));
        Ok(config)
    }

    fn parse(&self) -> Result<tokio_postgres::Config, Error> {
        // The parser's own message may quote the password.
        let wrong = || {
            let problem = "must be postgres://user:password@host:port/database";
            Error::value("postgres.url", problem)
        };
        let config: tokio_postgres::Config = self.url.expose().parse().map_err(|_| wrong())?;
        if config.get_hosts().is_empty() {
            return Err(wrong());
        }
        if config.get_password() == Some(b"***") {
            let problem = "has *** for its password, as --print-config prints it: put it in again";
            return Err(Error::value("postgres.url", problem));
        }
        if config.get_ssl_mode() == SslMode::Require {
            let problem =
                "asks for TLS (sslmode=require), which gatelog does not speak to Postgres yet";
            return Err(Error::value("postgres.url", problem));
        }
        Ok(config)
    }
}

/// User, hosts and database, put together anew: a password has several places to hide in a URL.
fn without_password<S: Serializer>(url: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    let Ok(config) = url.expose().parse::<tokio_postgres::Config>() else {
        return serializer.serialize_str("***");
    };
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(i, host)| {
            let port = config.get_ports().get(i).or(config.get_ports().first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let user = config.get_user().unwrap_or_default();
    let password = if config.get_password().is_some() { ":***" } else { "" };
    let database = config.get_dbname().unwrap_or(user);
    serializer.serialize_str(&format!("postgres://{user}{password}@{}/{database}", hosts.join(",")))
}

//! Servers that the environment names. They are used as they are.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio_postgres::config::Host;

use crate::ui;

/// Bootstrap servers, `host:port` separated by commas.
pub(crate) const KAFKA: &str = "GATELOG_KAFKA";

/// A URL: `postgres://user:password@host:port/database`.
pub(crate) const POSTGRES: &str = "GATELOG_POSTGRES";

const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Which servers are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Kafka's bootstrap servers.
    pub(crate) kafka: Option<String>,
    /// Postgres's URL.
    pub(crate) postgres: Option<String>,
}

impl Named {
    /// Reads the two variables and makes sure that somebody listens there.
    pub(crate) fn from_environment() -> Result<Self> {
        let named = Self { kafka: variable(KAFKA), postgres: variable(POSTGRES) };
        if let Some(kafka) = &named.kafka {
            reach(KAFKA, &kafka_hosts(kafka)?)?;
        }
        if let Some(postgres) = &named.postgres {
            reach(POSTGRES, &postgres_hosts(postgres)?)?;
        }
        Ok(named)
    }

    /// Tells that named servers are used. The URL may hold a password, so it is not shown.
    pub(crate) fn announce(&self) {
        for (variable, value) in [(KAFKA, &self.kafka), (POSTGRES, &self.postgres)] {
            if value.is_some() {
                ui::note(&format!("{variable} is set: using the server that it names"));
            }
        }
    }
}

/// The first of the two variables that names a server.
pub(crate) fn first_named() -> Option<&'static str> {
    [KAFKA, POSTGRES].into_iter().find(|name| variable(name).is_some())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn kafka_hosts(list: &str) -> Result<Vec<(String, u16)>> {
    list.split(',')
        .map(|server| {
            let (host, port) = server.trim().rsplit_once(':').context("no port")?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Ok((host.to_owned(), port.parse()?))
        })
        .collect::<Result<_>>()
        .with_context(|| format!("{KAFKA} is no list of host:port"))
}

fn postgres_hosts(url: &str) -> Result<Vec<(String, u16)>> {
    let config: tokio_postgres::Config =
        url.parse().with_context(|| format!("{POSTGRES} is no Postgres URL"))?;
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().filter_map(|(index, host)| match host {
        Host::Tcp(name) => {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            Some((name.clone(), port))
        }
        #[cfg(unix)]
        Host::Unix(_) => None,
    });
    Ok(hosts.collect())
}

/// One of the hosts must accept a connection; none at all (a socket file) is taken on trust.
fn reach(variable: &str, hosts: &[(String, u16)]) -> Result<()> {
    let answers = |host: &(String, u16)| {
        host.to_socket_addrs().is_ok_and(|mut addresses| {
            addresses.any(|address| TcpStream::connect_timeout(&address, CONNECT_WITHIN).is_ok())
        })
    };
    if !hosts.is_empty() && !hosts.iter().any(answers) {
        bail!("nothing answers where {variable} points to; `unset {variable}` to have one started");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_is_a_list() {
        let hosts = kafka_hosts("a:9092, [::1]:9093").unwrap();
        assert_eq!(hosts, [("a".to_owned(), 9092), ("::1".to_owned(), 9093)]);
        assert!(kafka_hosts("localhost").is_err());
    }

    #[test]
    fn postgres_is_a_url() {
        let hosts = postgres_hosts("postgres://u:p@db:5433/gatelog").unwrap();
        assert_eq!(hosts, [("db".to_owned(), 5433)]);
        let hosts = postgres_hosts("postgres://u@db/gatelog").unwrap();
        assert_eq!(hosts, [("db".to_owned(), 5432)]);
        assert!(postgres_hosts("9092").is_err());
    }

    #[test]
    fn nobody_listening_is_an_error_that_says_what_to_do() {
        let [port] = super::super::ports::free().unwrap();
        let error = reach(KAFKA, &[("127.0.0.1".to_owned(), port)]).unwrap_err();
        assert!(error.to_string().contains("unset GATELOG_KAFKA"), "{error}");
    }
}

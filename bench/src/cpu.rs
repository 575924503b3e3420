//! CPU seconds of the processes that take part, from /proc. Best effort: what cannot be read, as
//! for a server in a container or on another machine, is left out.

use std::fs;

use serde::Serialize;
use tokio_postgres::Client;

/// Units of /proc/PID/stat in a second: fixed in Linux' ABI (USER_HZ).
const TICKS_A_SECOND: f64 = 100.0;

/// CPU seconds, user and system together.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cpu {
    /// The consumer; in a COPY, this process, which is the client then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_s: Option<f64>,
    /// All processes of Postgres together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_s: Option<f64>,
    /// The Kafka broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_s: Option<f64>,
}

/// The servers' processes, as far as they are found on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processes {
    postmaster: Option<u32>,
    broker: Option<u32>,
}

impl Processes {
    /// Looks for them: the parent of the session's backend, and whoever listens on Kafka's port.
    pub(crate) async fn find(postgres: &Client, brokers: &str) -> Self {
        let backend = postgres.query_one("SELECT pg_backend_pid()", &[]).await.ok();
        let backend = backend.and_then(|row| u32::try_from(row.get::<_, i32>(0)).ok());
        let postmaster = backend.and_then(|pid| {
            // The same number may be anything in another machine's count.
            let is_postgres = |pid: u32| {
                fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.starts_with("postgres"))
            };
            let parent = Stat::read(pid)?.parent;
            (is_postgres(pid) && is_postgres(parent)).then_some(parent)
        });
        Self { postmaster, broker: listener(brokers) }
    }

    /// What they and `client` have used so far.
    pub(crate) fn used(self, client: u32) -> Cpu {
        Cpu {
            client_s: Stat::read(client).map(|stat| stat.own_s),
            postgres_s: self.postmaster.and_then(with_children),
            kafka_s: self.broker.and_then(Stat::read).map(|stat| stat.own_s),
        }
    }
}

impl Cpu {
    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let less =
            |now: Option<f64>, then: Option<f64>| Some(((now? - then?) * 100.0).round() / 100.0);
        Self {
            client_s: less(self.client_s, earlier.client_s),
            postgres_s: less(self.postgres_s, earlier.postgres_s),
            kafka_s: less(self.kafka_s, earlier.kafka_s),
        }
    }
}

struct Stat {
    parent: u32,
    own_s: f64,
    /// Of children that have ended and were waited for.
    ended_children_s: f64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// proc(5): the name in parentheses may hold anything; after it, fields 3 (state), 4 (ppid),
    /// 14 to 17 (utime, stime, cutime, cstime).
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let seconds = |field: usize| {
            let ticks: f64 = fields.get(field - 3)?.parse().ok()?;
            Some(ticks / TICKS_A_SECOND)
        };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own_s: seconds(14)? + seconds(15)?,
            ended_children_s: seconds(16)? + seconds(17)?,
        })
    }
}

fn with_children(pid: u32) -> Option<f64> {
    let parent = Stat::read(pid)?;
    let children = processes().filter_map(Stat::read).filter(|stat| stat.parent == pid);
    Some(parent.own_s + parent.ended_children_s + children.map(|stat| stat.own_s).sum::<f64>())
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The process that listens on the first broker's port, if the broker is on this machine.
fn listener(brokers: &str) -> Option<u32> {
    let (host, port) = brokers.split(',').next()?.rsplit_once(':')?;
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
        return None;
    }
    let port: u16 = port.parse().ok()?;
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    processes().find(|pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = open.filter_map(|fd| fs::read_link(fd.path()).ok());
        targets.any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
    })
}

/// Sockets of a table of /proc/net that listen on `port`, as /proc/PID/fd names them.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let (suffix, lines) = (format!(":{port:04X}"), table.lines().skip(1));
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&suffix) && fields[3] == LISTEN)
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_after_the_name() {
        let text = "7 (a) b (c) S 42 7 7 0 -1 4194304 1 2 3 4 150 50 1000 500 20 0 9 0";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.parent, stat.own_s, stat.ended_children_s), (42, 2.0, 15.0));
    }

    #[test]
    fn only_listeners_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0\n\
             1: 0100007F:2384 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 22 1 0\n\
             2: 0100007F:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1 0\n";
        assert_eq!(listening(table, 9092), ["socket:[11]"]);
    }
}

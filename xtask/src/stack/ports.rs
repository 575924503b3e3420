//! TCP ports of this machine.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// Whether a server could listen on this port now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether a server accepts connections on this port now.
pub(crate) fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Ports that are free now, all different. Another program may be faster: then the server that was
/// to have one ends, and the start is tried with others.
///
/// They lie below those that Linux gives to outgoing connections (32768 and up by default): a
/// server that is stopped and started again, or a proxy that starts later, finds its port free,
/// and no client that knocks meanwhile is connected with itself.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for _ in 0..TRIES {
        if listeners.len() == N {
            break;
        }
        listeners.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, random_port())));
    }
    while listeners.len() < N {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?);
    }
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().context("a listener without an address")?.port();
    }
    Ok(ports)
}

/// How many ports are looked at before the kernel is asked for any.
const TRIES: usize = 1_000;

/// One of 12288 to 32767.
fn random_port() -> u16 {
    // Keyed anew by the operating system's randomness for each value.
    let random = RandomState::new().hash_one(());
    12_288 + u16::try_from(random % 20_480).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_are_free() {
        let [a, b, c] = free().unwrap();
        assert!(a != b && b != c && a != c);
        assert!(is_free(a) && !answers(a));
    }

    #[test]
    fn a_port_with_a_listener_is_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port) && answers(port));
    }
}

//! Deletes topics, for runs on a Kafka that stays.
//!
//! DeleteTopics, version 1; any broker passes it on to the controller. Without TLS or SASL: where a
//! Kafka wants them, the caller says what is left.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail};

use super::kafka_wire::{CORRELATION, exchange, head, string, take};

const DELETE_TOPICS: i16 = 20;
const TIMEOUT_MS: i32 = 1_500;
const UNKNOWN_TOPIC: i16 = 3;

/// Deletes those of `topics` that there are. `servers` is a list of `host:port`.
pub(crate) fn delete_topics(servers: &str, topics: &[&str]) -> Result<()> {
    let mut outcome = Err(anyhow::anyhow!("no broker is named"));
    for address in addresses(servers) {
        outcome = exchange(address, &request(topics)).and_then(|answer| parse(&answer));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn addresses(servers: &str) -> impl Iterator<Item = SocketAddr> {
    servers.split(',').filter_map(|server| server.trim().to_socket_addrs().ok()).flatten()
}

fn request(topics: &[&str]) -> Vec<u8> {
    let mut request = head(DELETE_TOPICS, 1);
    request.extend((topics.len() as u32).to_be_bytes());
    for topic in topics {
        string(&mut request, topic);
    }
    request.extend(TIMEOUT_MS.to_be_bytes());
    request
}

fn parse(mut answer: &[u8]) -> Result<()> {
    let rest = &mut answer;
    if i32::from_be_bytes(take(rest)?) != CORRELATION {
        bail!("an answer to another question");
    }
    let _throttle_ms: [u8; 4] = take(rest)?;
    for _ in 0..u32::from_be_bytes(take(rest)?) {
        let length = u16::from_be_bytes(take(rest)?);
        let (name, tail) = rest.split_at_checked(length.into()).context("an answer cut short")?;
        *rest = tail;
        let error = i16::from_be_bytes(take(rest)?);
        if error != 0 && error != UNKNOWN_TOPIC {
            let name = String::from_utf8_lossy(name);
            bail!("Kafka answers with error {error} for {name}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: u8) -> Vec<u8> {
        vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, b'a', b'b', 0, error]
    }

    #[test]
    fn deleted_and_gone_already_are_as_good() {
        parse(&answer(0)).unwrap();
        parse(&answer(3)).unwrap();
        let error = parse(&answer(29)).unwrap_err();
        assert_eq!(error.to_string(), "Kafka answers with error 29 for ab");
    }

    #[test]
    fn every_cut_answer_is_an_error() {
        let whole = answer(0);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_request_lists_the_topics() {
        let request = request(&["a", "bc"]);
        let body = [0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0, 0, 0x05, 0xdc];
        assert!(request.ends_with(&body));
    }
}

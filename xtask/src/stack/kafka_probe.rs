//! Asks a broker who it is, in Kafka's own protocol: an open port may be anybody's.
//!
//! The request is DescribeCluster, version 0 (KIP-700): its answer names the cluster and the
//! brokers that take part, so it tells our broker from another stack's, and one that serves from
//! one that is still on its way.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};

use super::kafka_wire::{CORRELATION, exchange, head, take};

const DESCRIBE_CLUSTER: i16 = 60;

/// What a broker says of its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// The cluster id it was formatted with.
    pub(crate) id: String,
    /// How many brokers serve.
    pub(crate) brokers: u64,
}

/// Asks the broker at this port of 127.0.0.1.
pub(crate) fn describe(port: u16) -> Result<Cluster> {
    parse(&exchange(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &request())?)
}

/// Header version 2 (flexible), then one boolean; each ends in an empty set of tagged fields.
fn request() -> Vec<u8> {
    let mut request = head(DESCRIBE_CLUSTER, 0);
    request.extend([0, 0, 0]);
    request
}

fn parse(mut answer: &[u8]) -> Result<Cluster> {
    let rest = &mut answer;
    if i32::from_be_bytes(take(rest)?) != CORRELATION {
        bail!("an answer to another question");
    }
    let [_tagged_fields] = take(rest)?;
    let _throttle_ms: [u8; 4] = take(rest)?;
    let error = i16::from_be_bytes(take(rest)?);
    if error != 0 {
        bail!("Kafka answers with error {error}");
    }
    let _message = compact_string(rest)?;
    let id = compact_string(rest)?;
    let _controller: [u8; 4] = take(rest)?;
    let brokers = varint(rest)?.saturating_sub(1);
    Ok(Cluster { id, brokers })
}

/// Length + 1 as a varint, then the bytes; 0 is null.
fn compact_string(rest: &mut &[u8]) -> Result<String> {
    let length = usize::try_from(varint(rest)?.saturating_sub(1)).context("a huge string")?;
    let (head, tail) = rest.split_at_checked(length).context("an answer cut short")?;
    *rest = tail;
    Ok(String::from_utf8_lossy(head).into_owned())
}

/// Seven bits a byte, the lowest first.
fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let [byte] = take(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a varint without an end");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, error, 0, 23];
        bytes.extend(b"gatelog-0123456789abAA");
        bytes.extend([0, 0, 0, 1, 2]);
        bytes
    }

    #[test]
    fn the_answer_names_cluster_and_brokers() {
        let cluster = parse(&answer(0)).unwrap();
        assert_eq!(cluster, Cluster { id: "gatelog-0123456789abAA".to_owned(), brokers: 1 });
    }

    #[test]
    fn an_error_code_is_an_error() {
        assert!(parse(&answer(35)).is_err());
    }

    #[test]
    fn every_cut_answer_is_an_error() {
        let whole = answer(0);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn varints_of_more_than_one_byte() {
        assert_eq!(varint(&mut [0xac, 0x02].as_slice()).unwrap(), 300);
        assert!(varint(&mut [0xff; 6].as_slice()).is_err());
    }
}

//! Asks a broker who it is, in Kafka's own protocol: an open port may be anybody's.
//!
//! The request is DescribeCluster, version 0 (KIP-700): its answer names the cluster and the
//! brokers that take part, so it tells our broker from another stack's, and one that serves from
//! one that is still on its way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(2);
const DESCRIBE_CLUSTER: i16 = 60;
const CORRELATION: i32 = 1;
const ANSWER_BYTES_MAX: usize = 64 * 1024;

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
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("cannot connect")?;
    stream
        .set_read_timeout(Some(TIMEOUT))
        .context("cannot set a timeout")?;
    stream
        .set_write_timeout(Some(TIMEOUT))
        .context("cannot set a timeout")?;
    stream.write_all(&request()).context("cannot ask")?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).context("no answer")?;
    let length = usize::try_from(i32::from_be_bytes(length)).context("a negative length")?;
    if length > ANSWER_BYTES_MAX {
        bail!("an answer of {length} bytes is not Kafka's");
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).context("half an answer")?;
    parse(&answer)
}

/// Header version 2 (flexible), then one boolean; each ends in an empty set of tagged fields.
fn request() -> Vec<u8> {
    let client = b"gatelog-xtask";
    let mut body = Vec::new();
    body.extend(DESCRIBE_CLUSTER.to_be_bytes());
    body.extend(0_i16.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    body.extend(13_i16.to_be_bytes());
    body.extend(client);
    body.extend([0, 0, 0]);
    let length = u32::try_from(body.len()).unwrap_or_default();
    [&length.to_be_bytes(), body.as_slice()].concat()
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

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (head, tail) = rest
        .split_first_chunk::<N>()
        .context("an answer cut short")?;
    *rest = tail;
    Ok(*head)
}

/// Length + 1 as a varint, then the bytes; 0 is null.
fn compact_string(rest: &mut &[u8]) -> Result<String> {
    let length = usize::try_from(varint(rest)?.saturating_sub(1)).context("a huge string")?;
    let (head, tail) = rest
        .split_at_checked(length)
        .context("an answer cut short")?;
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
        assert_eq!(
            cluster,
            Cluster {
                id: "gatelog-0123456789abAA".to_owned(),
                brokers: 1
            }
        );
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
    fn the_request_says_its_length() {
        let request = request();
        let length = u32::from_be_bytes(request[..4].try_into().unwrap());
        assert_eq!(length as usize, request.len() - 4);
        assert_eq!(&request[4..8], [0, 60, 0, 0]);
    }

    #[test]
    fn varints_of_more_than_one_byte() {
        assert_eq!(varint(&mut [0xac, 0x02].as_slice()).unwrap(), 300);
        assert!(varint(&mut [0xff; 6].as_slice()).is_err());
    }
}

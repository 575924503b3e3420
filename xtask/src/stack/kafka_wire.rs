//! The few bytes of Kafka's own protocol that the stack speaks: one request, one answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The number of every request; a connection carries one.
pub(crate) const CORRELATION: i32 = 1;

const TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How every request begins.
pub(crate) fn head(api: i16, version: i16) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(CORRELATION.to_be_bytes());
    string(&mut request, "gatelog-xtask");
    request
}

/// Appends a string: two bytes of length, then the bytes.
pub(crate) fn string(request: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    request.extend(length.to_be_bytes());
    request.extend(text.bytes().take(length.unsigned_abs().into()));
}

/// Sends a request and returns the answer, both without their length.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("cannot connect")?;
    stream.set_read_timeout(Some(TIMEOUT)).context("cannot set a timeout")?;
    stream.set_write_timeout(Some(TIMEOUT)).context("cannot set a timeout")?;
    let length = u32::try_from(request.len()).context("a huge request")?;
    stream.write_all(&[&length.to_be_bytes(), request].concat()).context("cannot ask")?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).context("no answer")?;
    let length = usize::try_from(i32::from_be_bytes(length)).context("a negative length")?;
    if length > ANSWER_BYTES_MAX {
        bail!("an answer of {length} bytes is not Kafka's");
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).context("half an answer")?;
    Ok(answer)
}

/// The next bytes of an answer.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>().context("an answer cut short")?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_what_it_asks_and_who_asks() {
        let request = head(60, 0);
        assert_eq!(request[..10], [0, 60, 0, 0, 0, 0, 0, 1, 0, 13]);
        assert_eq!(&request[10..], b"gatelog-xtask");
    }

    #[test]
    fn an_answer_is_what_follows_its_length() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let broker = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 6];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(&[0, 0, 0, 3, 7, 8, 9]).unwrap();
            asked
        });
        assert_eq!(exchange(address, &[1, 2]).unwrap(), [7, 8, 9]);
        assert_eq!(broker.join().unwrap(), [0, 0, 0, 2, 1, 2]);
    }
}

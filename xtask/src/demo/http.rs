//! Asking a page of a service on this machine: no more HTTP than that takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

const TIMEOUT: Duration = Duration::from_secs(5);

/// What a service answered.
pub(crate) struct Page {
    /// HTTP's status code.
    pub(crate) status: u16,
    /// The body, as text.
    pub(crate) body: String,
}

/// `GET path` from `address` (`host:port`). HTTP/1.0: the body comes in one piece and ends with the
/// connection.
pub(crate) fn get(address: &str, path: &str) -> Result<Page> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().with_context(|| format!("http://{address}{path} does not answer"))?;
    parse(&answer).with_context(|| format!("http://{address}{path} does not answer in HTTP"))
}

fn parse(answer: &str) -> Option<Page> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some(Page { status, body: body.to_owned() })
}

/// The sum of all series of a Prometheus page whose name, with labels, starts with `name`.
pub(crate) fn metric(page: &str, name: &str) -> f64 {
    let is_it = |rest: &str| rest.starts_with([' ', '{', ',']) || name.contains('{');
    page.lines()
        .filter_map(|line| line.strip_prefix(name).filter(|rest| is_it(rest)))
        .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body() {
        let page = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nnot yet\n").unwrap();
        assert_eq!((page.status, page.body.as_str()), (503, "not yet\n"));
        assert!(parse("HTTP/1.1 200").is_none());
        assert!(parse("SSH-2.0\r\n\r\n").is_none());
    }

    #[test]
    fn series_of_one_metric_are_summed() {
        let page = "# HELP a_total x\na_total{o=\"row\"} 5\na_total{o=\"duplicate\"} 1\n\
                    a_total_more 7\nb 2\n";
        assert_eq!(metric(page, "a_total"), 6.0);
        assert_eq!(metric(page, "a_total{o=\"row\"}"), 5.0);
        assert_eq!(metric(page, "b"), 2.0);
        assert_eq!(metric(page, "c"), 0.0);
    }
}

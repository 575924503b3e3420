//! What a service counts, from its page `/metrics`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The page, in Prometheus' text format.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Asks for it. HTTP/1.0: the body comes in one piece and ends with the connection.
    ///
    /// # Errors
    /// Nobody answers there, or with something else.
    pub(crate) async fn read(address: &str) -> Result<Self> {
        let asking = async {
            let mut stream = TcpStream::connect(address).await?;
            let ask = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
            stream.write_all(ask.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let doing = || format!("asking http://{address}/metrics");
        let answer = timeout(TIMEOUT, asking).await.with_context(doing)?.with_context(doing)?;
        let (head, page) = answer.split_once("\r\n\r\n").with_context(doing)?;
        ensure!(head.contains(" 200 "), "http://{address}/metrics answers {head}");
        Ok(Self(page.to_owned()))
    }

    /// One series, by its name with labels; 0 where nothing was counted yet.
    pub(crate) fn count(&self, series: &str) -> u64 {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(series));
        let value = lines.filter_map(|rest| rest.strip_prefix(' ')?.parse::<f64>().ok()).next();
        value.map_or(0, |value| value as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let page = "# HELP a_total x\na_total_more 7\na_total{o=\"x\"} 5\na_total 3\n";
        let metrics = Metrics(page.to_owned());
        assert_eq!(metrics.count("a_total"), 3);
        assert_eq!(metrics.count("a_total{o=\"x\"}"), 5);
        assert_eq!(metrics.count("b"), 0);
    }
}

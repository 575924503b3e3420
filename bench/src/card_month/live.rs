//! Writing to the live day, by raw binary COPY over as many connections as a consumer has writers.

use std::time::Instant;

use anyhow::{Result, ensure};
use tokio::process::Child;

use super::Bench;
use super::report::Round;
use crate::ceiling::{CONNECTIONS, Copier, Copy, copies, rows};
use crate::progress::Progress;
use crate::stats::rate;

/// The rows of the live day, a list of COPYs for each connection.
pub(super) type Encoded = Vec<Vec<Copy>>;

impl Bench {
    pub(super) fn encode(&self) -> Encoded {
        let all: Vec<u32> = (0..self.live.len() as u32).collect();
        let share = |nth: usize| -> Vec<u32> {
            all.iter().copied().filter(|row| *row as usize % CONNECTIONS == nth).collect()
        };
        (0..CONNECTIONS)
            .map(|nth| copies(&share(nth), |out, at| rows::row(out, &self.live.placed(at), 1)))
            .collect()
    }

    /// The live day is written alone, then beside the worker, then with such an index itself: what
    /// making it at once would cost.
    pub(super) async fn round(&self, label: &str, encoded: &Encoded) -> Result<Round> {
        let progress = Progress::start(format_args!("live {label}"), 3);
        self.drop_indexes().await?;
        self.empty_live().await?;
        let (alone, _) = self.copy(encoded, None).await?;
        progress.at(1);

        self.empty_live().await?;
        let begun = Instant::now();
        let mut worker = self.start_worker()?;
        let (beside, beside_rows) = self.copy(encoded, Some(&mut worker)).await?;
        self.finish_worker(worker).await?;
        let index_s = begun.elapsed().as_secs_f64();
        progress.at(2);

        self.empty_live().await?;
        let live = self.live_table().await?;
        let sql = format!("CREATE INDEX {live}_card ON {live} (card_id, occurred_at)");
        self.client().batch_execute(&sql).await?;
        let (indexed, _) = self.copy(encoded, None).await?;
        self.client().batch_execute(&format!("DROP INDEX {live}_card")).await?;
        let round = Round::new(alone, beside, beside_rows, indexed, index_s);
        progress.done(&round);
        Ok(round)
    }

    /// Rows a second, and of how many; with a worker, of those that were written before it ended.
    async fn copy(&self, encoded: &Encoded, mut worker: Option<&mut Child>) -> Result<(f64, u64)> {
        let copier = Copier::connect(&self.database.url, rows::COPY).await?;
        self.database.checkpoint().await?;
        let longest = encoded.iter().map(Vec::len).max().unwrap_or_default();
        let (begun, mut written) = (Instant::now(), 0);
        for nth in 0..longest {
            let one = |copies: &Vec<Copy>| copies.get(nth).cloned().into_iter().collect();
            written += copier.write(encoded.iter().map(one).collect()).await?;
            if let Some(worker) = worker.as_deref_mut()
                && worker.try_wait()?.is_some()
            {
                break;
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let wanted = self.live.len() as u64;
        ensure!(worker.is_some() || written == wanted, "COPY wrote {written} of {wanted} rows");
        Ok((rate(written as usize, seconds), written))
    }

    async fn empty_live(&self) -> Result<()> {
        let live = self.live_table().await?;
        Ok(self.client().batch_execute(&format!("TRUNCATE {live}")).await?)
    }

    async fn live_table(&self) -> Result<String> {
        let sql = "SELECT 'access_log_' || to_char(date 'epoch' + $1::int, 'YYYYMMDD')";
        Ok(self.client().query_one(sql, &[&self.live.days().start]).await?.get(0))
    }
}

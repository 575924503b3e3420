//! The months of some cards.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use registry::Timestamptz;
use schemas::Millis;

use super::report::Months;
use super::{Bench, DAYS, Options};
use crate::progress::Progress;

const VIEW: &str = include_str!("../sql/card_month.sql");
const BARE: &str = include_str!("../sql/card_month_bare.sql");
const DAY_MS: i64 = 86_400_000;
/// Cards whose month is looked for without the index: each takes as long as reading all of it.
const WITHOUT: usize = 3;

impl Bench {
    /// Different ones, by chance.
    pub(super) async fn some_cards(&self, options: &Options) -> Result<Vec<String>> {
        let mut random = StdRng::seed_from_u64(options.seed);
        let all = &self.live.site.cards;
        let wanted = usize::from(options.cards).min(all.len());
        let mut chosen = BTreeSet::new();
        while chosen.len() < wanted {
            chosen.insert(random.random_range(0..all.len()));
        }
        Ok(chosen.into_iter().map(|card| all[card].id.clone()).collect())
    }

    /// In ms, the middle one.
    pub(super) async fn months_without_index(&self, cards: &[String]) -> Result<f64> {
        let progress = Progress::start("no index", WITHOUT as u64);
        let mut times = Vec::new();
        for card in cards.iter().take(WITHOUT) {
            times.push(self.month(VIEW, card).await?.0);
        }
        let months = Months::new(&times, 0);
        progress.done(format_args!("p50 {:.1} ms", months.p50_ms));
        Ok(months.p50_ms)
    }

    /// Each card's month through the view and from the bare table, in turn; which comes first changes,
    /// because the second finds its pages in memory.
    pub(super) async fn months(&self, cards: &[String]) -> Result<(Months, Months)> {
        let progress = Progress::start("months", cards.len() as u64);
        let (mut view, mut bare, mut rows) = (Vec::new(), Vec::new(), 0);
        for (nth, card) in cards.iter().enumerate() {
            let (first, second) = if nth % 2 == 0 { (VIEW, BARE) } else { (BARE, VIEW) };
            let (one, other) = (self.month(first, card).await?, self.month(second, card).await?);
            ensure!(one.1 == other.1, "{} rows of a card, and {}", one.1, other.1);
            let (through_view, from_table) = if nth % 2 == 0 { (one, other) } else { (other, one) };
            view.push(through_view.0);
            bare.push(from_table.0);
            rows += one.1;
            progress.at(nth as u64 + 1);
        }
        self.are_whole(cards, rows).await?;
        let months = (Months::new(&view, rows), Months::new(&bare, rows));
        progress.done(months.0);
        Ok(months)
    }

    /// From asking to the last row, in ms, planning included; and how many rows.
    async fn month(&self, sql: &str, card: &str) -> Result<(f64, usize)> {
        let moment = |day: i32| Timestamptz(Millis::from_unix_ms(i64::from(day) * DAY_MS));
        let (from, to) = (moment(self.first_day), moment(self.first_day + DAYS));
        let begun = Instant::now();
        let rows =
            self.client().query(sql, &[&card, &from, &to]).await.context("a card's month")?;
        Ok((begun.elapsed().as_secs_f64() * 1_000.0, rows.len()))
    }

    /// What the index gives is what reading everything gives.
    async fn are_whole(&self, cards: &[String], rows: usize) -> Result<()> {
        let client = self.client();
        client
            .batch_execute(
                "SET enable_indexscan = off; SET enable_bitmapscan = off; \
                              SET enable_indexonlyscan = off",
            )
            .await?;
        let sql = "SELECT count(*) FROM access_log WHERE card_id = ANY ($1) AND occurred_at < $2";
        let end = Timestamptz(Millis::from_unix_ms(i64::from(self.first_day + DAYS) * DAY_MS));
        let counted: i64 = client.query_one(sql, &[&cards, &end]).await?.get(0);
        client
            .batch_execute(
                "RESET enable_indexscan; RESET enable_bitmapscan; \
                              RESET enable_indexonlyscan",
            )
            .await?;
        ensure!(rows > 0 && counted == rows as i64, "{rows} rows were found, there are {counted}");
        Ok(())
    }
}

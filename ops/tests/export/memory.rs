//! Memory stays the same, however many rows a day has.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Stand;

/// The most memory that an export of so many rows had, in KiB.
async fn peak_of(stand: &Stand, rows: u32, format: &str) -> u64 {
    let view = format!(
        "CREATE OR REPLACE VIEW analyst.many AS
         SELECT d.day, n, md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text) AS word
         FROM analyst.day d CROSS JOIN generate_series(1, {rows}) n"
    );
    stand.owner.batch_execute(&view).await.unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["export", "many", "--from", "2016-06-01", "--to", "2016-06-01", "--again"])
        .args(["--format", format, "--out"])
        .arg(&stand.out)
        .env("GATELOG_POSTGRES", stand.database.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // Grows only: what was read last before the end is what counts.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let read = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = read.unwrap_or(peak).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return peak;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn four_times_the_rows_take_no_more() {
    Stand::with(async |stand| {
        for format in ["parquet", "csv"] {
            let (few, many) = (140_000, 560_000);
            let one = peak_of(stand, few, format).await;
            let four = peak_of(stand, many, format).await;
            println!("{format}: {one} KiB for {few} rows, {four} KiB for {many}");
            // 420,000 rows more are 40 MB more of text alone.
            assert!(one > 1_000 && four < one + 8_192, "{format}: {one} and {four} KiB");
        }
    })
    .await;
}

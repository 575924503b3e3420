//! SIGKILL in the middle of a file, and the same command again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ops::export::Format;

use crate::Stand;

/// Enough rows a day for several row groups.
const MANY: &str = "
    CREATE VIEW analyst.many AS
    SELECT d.day, n, md5((n * 7 + d.day - '2016-01-01')::text) AS word
    FROM analyst.day d CROSS JOIN generate_series(1, 150000) n";

fn start(stand: &Stand, format: Format) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["export", "many", "--from", "2016-06-01", "--to", "2016-06-03"])
        .args(["--format", format.as_str(), "--out"])
        .arg(&stand.out)
        .env("GATELOG_POSTGRES", stand.database.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn file(out: &Path, day: u8, format: Format) -> PathBuf {
    out.join(format!("many/day=2016-06-0{day}/many.{}", format.as_str()))
}

async fn killed_in_the_second_day(stand: &Stand, format: Format) {
    let second = file(&stand.out, 2, format);
    let draft = second.with_file_name(format!(".many.{}.draft", format.as_str()));
    let mut child = start(stand, format);
    let begun = async {
        // A part of the draft has been written, not all of it.
        while draft.metadata().map_or(0, |draft| draft.len()) < 1_000 {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it could be killed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), begun).await.expect("no draft");
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn go_on(format: Format) {
    Stand::with(async |stand| {
        stand.owner.batch_execute(MANY).await.unwrap();
        killed_in_the_second_day(stand, format).await;
        let (first, second) = (file(&stand.out, 1, format), file(&stand.out, 2, format));
        assert!(first.exists() && !second.exists(), "only what is whole has its name");
        let before = first.metadata().unwrap().modified().unwrap();

        let mut options = stand.options("many", format);
        options.to = Some("2016-06-03".parse().unwrap());
        let report = stand.export(&options).await;
        let rows: Vec<_> = report.days.iter().map(|day| day.rows).collect();
        assert_eq!(rows, [None, Some(150_000)], "the first day is left as it is");
        assert_eq!(first.metadata().unwrap().modified().unwrap(), before);

        // The same bytes as of an export that nobody killed.
        let in_peace = ops::export::Options { out: stand.out.join("in-peace"), ..options.clone() };
        stand.export(&in_peace).await;
        for day in [1, 2] {
            let [one, other] =
                [&stand.out, &in_peace.out].map(|out| std::fs::read(file(out, day, format)));
            assert!(one.unwrap() == other.unwrap(), "day {day} differs");
        }
        let again = ops::export::Options { again: true, ..options };
        assert_eq!(stand.export(&again).await.written, 2);
        assert_ne!(first.metadata().unwrap().modified().unwrap(), before);
    })
    .await;
}

#[tokio::test]
async fn parquet_goes_on_where_it_was() {
    go_on(Format::Parquet).await;
}

#[tokio::test]
async fn csv_goes_on_where_it_was() {
    go_on(Format::Csv).await;
}

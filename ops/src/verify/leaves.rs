//! The days of `access_log`, each a table: also those that were detached but stand yet.
//!
//! They are read one by one and never through their parent: a lock on the parent, held for as long
//! as all this takes, would keep a day from being detached, and every batch would wait behind that.

use jiff::civil::Date;
use schemas::Millis;
use tokio_postgres::Client;

/// One day of `access_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its name, quoted, with its schema.
    pub(super) name: String,
    /// The day, since 1970; none where the name does not say it.
    pub(super) day: Option<i32>,
}

impl Leaf {
    fn new(name: String, table: &str, attached: bool) -> Option<Self> {
        let day = table.strip_prefix("access_log_").and_then(unix_day);
        // A table whose name is no day, and which is no partition, is somebody else's.
        (attached || day.is_some()).then_some(Self { name, day })
    }

    /// Whether it may hold something at or after `floor`.
    pub(super) fn reaches(&self, floor: Option<Millis>) -> bool {
        match (self.day, floor) {
            (Some(day), Some(floor)) => day >= floor.unix_day(),
            _ => true,
        }
    }
}

/// The leaves that stand.
pub(super) async fn standing(client: &Client) -> Result<Vec<Leaf>, tokio_postgres::Error> {
    let rows = client.query(include_str!("sql/leaves.sql"), &[]).await?;
    let leaf = |row: &tokio_postgres::Row| {
        Leaf::new(row.get("name"), row.get("table_name"), row.get("attached"))
    };
    Ok(rows.iter().filter_map(leaf).collect())
}

/// Keeps them from being dropped for as long as the transaction lasts.
pub(super) async fn hold(client: &Client, leaves: &[Leaf]) -> Result<(), tokio_postgres::Error> {
    if leaves.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = leaves.iter().map(|leaf| leaf.name.as_str()).collect();
    client.batch_execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "))).await
}

/// All of them as one source of rows, with these columns: for questions that must see them
/// together.
pub(super) fn together<'l>(leaves: impl Iterator<Item = &'l Leaf>, columns: &str) -> String {
    let each: Vec<String> =
        leaves.map(|leaf| format!("SELECT {columns} FROM {}", leaf.name)).collect();
    match each.is_empty() {
        true => format!("(SELECT {columns} FROM access_log WHERE false)"),
        false => format!("({})", each.join(" UNION ALL ")),
    }
}

/// `20160601`.
fn unix_day(text: &str) -> Option<i32> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) =
        (text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?);
    let date = Date::new(year, month, day).ok()?;
    Some((date - Date::constant(1970, 1, 1)).get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_table_is_a_day_only_if_its_name_is_one() {
        let leaf = |table: &str, attached| Leaf::new(table.to_owned(), table, attached);
        let day = leaf("access_log_20160601", false).and_then(|leaf| leaf.day);
        assert_eq!(day, Some(16_953));
        assert_eq!(leaf("access_log_20169901", false), None);
        assert_eq!(leaf("access_log_20169901", true).map(|leaf| leaf.day), Some(None));
        assert!(leaf("access_log_old", true).is_some_and(|leaf| leaf.reaches(Some(Millis::now()))));
    }

    #[test]
    fn days_before_the_floor_are_not_read() {
        let floor: Millis = "2016-06-01T23:00:00Z".parse().unwrap();
        let reaches = |table: &str| {
            Leaf::new(table.to_owned(), table, true).is_some_and(|leaf| leaf.reaches(Some(floor)))
        };
        assert!(reaches("access_log_20160601") && !reaches("access_log_20160531"));
    }
}

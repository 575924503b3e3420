//! Ids of letters, as people write them: the first eight characters or more.

use tokio_postgres::GenericClient;
use uuid::Uuid;

use crate::Error;

/// The beginning of an id, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    text: String,
    first: Uuid,
    last: Uuid,
}

/// Fewer characters would mean another letter tomorrow.
const LENGTH_MIN: usize = 8;
/// Letters that are named where a prefix has several.
const NAMED: i64 = 5;

impl Prefix {
    /// Reads it, with hyphens or without.
    ///
    /// # Errors
    /// Says what it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hex || !(LENGTH_MIN..=32).contains(&digits.len()) {
            return Err(format!(
                "must be a letter's id, or its first {LENGTH_MIN} characters or more; `gatelog dlq \
                 list` shows them"
            ));
        }
        let filled = |with: &str| {
            let all = format!("{digits}{}", with.repeat(32 - digits.len()));
            Uuid::parse_str(&all).map_err(|error| error.to_string())
        };
        Ok(Self { text: text.trim().to_owned(), first: filled("0")?, last: filled("f")? })
    }

    /// The letter that it means.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is none, or more than one.
    pub(super) async fn find(&self, client: &impl GenericClient) -> Result<Uuid, Error> {
        let sql = "SELECT dead_letter_id FROM dead_letter WHERE dead_letter_id BETWEEN $1 AND $2 \
                   ORDER BY dead_letter_id LIMIT $3";
        let rows = client.query(sql, &[&self.first, &self.last, &NAMED]).await?;
        let found: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        match found[..] {
            [id] => Ok(id),
            [] => Err(Error::Usage(format!(
                "no dead letter {}; `gatelog dlq list` shows what is unsettled, with --state all \
                 what was",
                self.text
            ))),
            _ => {
                let found: Vec<String> = found.iter().map(Uuid::to_string).collect();
                let found = found.join("\n  ");
                Err(Error::Usage(format!("{} begins several ids; say more:\n  {found}", self.text)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_or_more() {
        let prefix = Prefix::parse(" 0195F3a2-7c1 ").unwrap();
        assert_eq!(prefix.first.to_string(), "0195f3a2-7c10-0000-0000-000000000000");
        assert_eq!(prefix.last.to_string(), "0195f3a2-7c1f-ffff-ffff-ffffffffffff");
        let all = "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11";
        let prefix = Prefix::parse(all).unwrap();
        assert_eq!((prefix.first.to_string().as_str(), prefix.first), (all, prefix.last));
        let long = format!("{all}0");
        for bad in ["", "0195f3a", "0195-f3a", "0195f3ag", "_________", long.as_str()] {
            assert!(Prefix::parse(bad).is_err(), "{bad}");
        }
    }
}

//! A record of the dead letters' topic as the letter that it was made of.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use schemas::headers::{self, dlq};
use schemas::{Millis, Stage, dead_letter_id};
use uuid::Uuid;

use super::super::blob::Blob;
use super::super::letter::{self, Header, Letter};

/// A record of the topic.
pub(in crate::dlq) struct Record {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    at: Option<Millis>,
}

/// Headers that say where it came from and why: not the original's.
const OURS: [&str; 10] = [
    dlq::TOPIC,
    dlq::PARTITION,
    dlq::OFFSET,
    dlq::GROUP,
    dlq::DELIVERY_COUNT,
    dlq::MESSAGE,
    dlq::ID,
    dlq::STAGE,
    dlq::REASON,
    dlq::REPLAY_COUNT,
];

impl Record {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Result<Self, String> {
        // rdkafka panics on a header name that is not UTF-8, which anyone can publish.
        let headers = catch_unwind(AssertUnwindSafe(|| {
            message.headers().map_or_else(Vec::new, |all| {
                all.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
            })
        }));
        Ok(Self {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map_err(|_| "a header's name is not UTF-8".to_owned())?,
            at: message.timestamp().to_millis().map(Millis::from_unix_ms),
        })
    }

    /// The letter, open and merged into the one that it is a replay of, where it is one.
    pub(super) fn letter(mut self, log_id: Uuid, log: &str) -> Result<Letter, String> {
        if self.text(dlq::TOPIC)? != log {
            return Err(format!("{} is another topic", dlq::TOPIC));
        }
        self.is_whole()?;
        let (log_partition, log_offset) = (self.number(dlq::PARTITION)?, self.number(dlq::OFFSET)?);
        let stage = self.text(dlq::STAGE)?;
        if [Stage::Decode, Stage::Decide, Stage::Store].iter().all(|known| known.as_str() != stage)
        {
            return Err(format!("{} is none that this program knows", dlq::STAGE));
        }
        let id = dead_letter_id(log_id, log_partition, log_offset, stage);
        let mut named: Vec<Uuid> = self.ids().collect();
        if !named.contains(&id) {
            return Err("its id is not one of this database's log".to_owned());
        }
        named.retain(|other| *other != id);
        // A replay carries the id of the letter that it is a replay of, beside its own: the last of
        // them, as consumers take it, whatever else its publisher named.
        let has = |wanted: &str| self.headers.iter().any(|(name, _)| name == wanted);
        let is_replay = has(headers::REPLAY) && has(dlq::VERSION);
        let merged_into = named.last().copied().filter(|_| is_replay);
        let mut message = self.text(dlq::MESSAGE)?.to_owned();
        message.truncate(message.floor_char_boundary(1_024));
        Ok(Letter {
            dead_letter_id: id,
            log_partition,
            log_offset,
            stage: stage.to_owned(),
            reason: self.text(dlq::REASON)?.to_owned(),
            message,
            sqlstate: None,
            tries: self.number::<i32>(dlq::DELIVERY_COUNT)?.max(1),
            state: String::new(),
            version: 1,
            created_at: self.at.unwrap_or_else(Millis::now),
            published_at: None,
            settled_at: None,
            lease_until: None,
            merged_into,
            // The topic has one record for each replay that failed: they are counted as they come.
            replay_count: 0,
            compensations: 0,
            compensate_at: None,
            says: None,
            original: letter::Record {
                key: self.key.map(Blob),
                value: self.value.map(Blob),
                headers: original(self.headers, merged_into),
            },
            amended: None,
        })
    }

    /// Takes away the consumer's own word that something was too long for the topic: of a genuine one
    /// nothing stands behind. Without its headers a letter can come back, without key or value not.
    fn is_whole(&mut self) -> Result<(), String> {
        let Some((_, omitted)) = self.headers.pop_if(|(name, _)| name == dlq::OMITTED) else {
            return Ok(());
        };
        let omitted = omitted.unwrap_or_default();
        let mut omitted = omitted.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        if omitted.any(|what| what == b"key" || what == b"value") {
            return Err(
                "key or value were too long for the topic: `gatelog offsets reset` reads it \
                        from the log again"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The last header of that name, as Kafka's own clients take it.
    fn text(&self, name: &str) -> Result<&str, String> {
        let mut found = self.headers.iter().rev().filter(|(found, _)| found == name);
        let value = found.next().and_then(|(_, value)| value.as_deref());
        value.and_then(|value| std::str::from_utf8(value).ok()).ok_or(format!("{name} is missing"))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, String> {
        self.text(name)?.parse().map_err(|_| format!("{name} is no number"))
    }

    fn ids(&self) -> impl Iterator<Item = Uuid> {
        let ids = self.headers.iter().filter(|(name, _)| name == dlq::ID);
        ids.filter_map(|(_, value)| Uuid::try_parse_ascii(value.as_deref()?).ok())
    }
}

/// The headers that the record had in the log. Of a replay that is also the letter's id that it
/// came with; whose else may have been is not told.
fn original(all: Vec<(String, Option<Vec<u8>>)>, merged_into: Option<Uuid>) -> Vec<Header> {
    let first = merged_into.map(|id| id.to_string().into_bytes());
    let is_original = |(name, value): &(String, Option<Vec<u8>>)| {
        !OURS.contains(&name.as_str())
            || (name == dlq::ID && first.is_some() && value.as_ref() == first.as_ref())
    };
    let header = |(name, value): (String, Option<_>)| Header {
        name: Blob(name.into()),
        value: value.map(Blob),
    };
    all.into_iter().filter(is_original).map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Uuid = Uuid::from_u128(9);

    fn record(more: &[(&str, &str)]) -> Record {
        let id = dead_letter_id(LOG, 3, 17, "decode").to_string();
        let ours = [
            ("ce_id", "x"),
            (dlq::TOPIC, "log"),
            (dlq::PARTITION, "3"),
            (dlq::OFFSET, "17"),
            (dlq::GROUP, "g"),
            (dlq::DELIVERY_COUNT, "2"),
            (dlq::MESSAGE, "no JSON"),
            (dlq::ID, id.as_str()),
            (dlq::STAGE, "decode"),
            (dlq::REASON, "undecodable"),
            (dlq::REPLAY_COUNT, "0"),
        ];
        // The consumer's come last, and clients take the last of a name.
        let headers = more.iter().chain(&ours);
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).into()));
        let headers = headers.map(header).collect();
        Record { key: Some(b"k".into()), value: None, headers, at: None }
    }

    #[test]
    fn a_letter_comes_back_with_its_own_headers() {
        let letter = record(&[]).letter(LOG, "log").unwrap();
        assert_eq!((letter.log_partition, letter.log_offset, letter.tries), (3, 17, 2));
        assert_eq!((letter.reason.as_str(), letter.message.as_str()), ("undecodable", "no JSON"));
        assert_eq!(letter.original.key(), Some(&b"k"[..]));
        assert_eq!((letter.original.value(), letter.merged_into), (None, None));
        let names: Vec<_> = letter.original.headers.iter().map(|h| h.name.0.clone()).collect();
        assert_eq!(names, [b"ce_id"]);
    }

    #[test]
    fn a_replay_that_failed_belongs_to_the_first() {
        let first = Uuid::from_u128(4).to_string();
        let replay = [(headers::REPLAY, "1"), (dlq::VERSION, "2"), (dlq::ID, first.as_str())];
        let letter = record(&replay).letter(LOG, "log").unwrap();
        assert_eq!(letter.merged_into, Some(Uuid::from_u128(4)));
        assert_eq!(letter.original.headers.len(), 4);
        // The last one counts, as for consumers.
        let other = Uuid::from_u128(5).to_string();
        let two = [(dlq::ID, other.as_str()), replay[0], replay[1], replay[2]];
        let letter = record(&two).letter(LOG, "log").unwrap();
        assert_eq!(letter.merged_into, Some(Uuid::from_u128(4)));
        // Without the header of a replay it is none, whatever ids it names.
        assert_eq!(record(&replay[1..]).letter(LOG, "log").unwrap().merged_into, None);
    }

    #[test]
    fn what_the_topic_has_not_whole_is_not_put_back_by_half() {
        let with = |omitted: &str| {
            let mut record = record(&[(dlq::OMITTED, "value")]);
            record.headers.push((dlq::OMITTED.to_owned(), Some(omitted.into())));
            record.letter(LOG, "log")
        };
        // A header of that name before the consumer's own is the original's.
        assert_eq!(with("headers").unwrap().original.headers.len(), 2);
        for omitted in ["value", "key, headers", "key, value"] {
            assert!(with(omitted).unwrap_err().contains("offsets reset"), "{omitted}");
        }
        assert!(record(&[(dlq::OMITTED, "value")]).letter(LOG, "log").is_ok());
    }

    #[test]
    fn what_is_not_of_this_log_is_refused() {
        assert!(record(&[]).letter(LOG, "another").is_err());
        assert!(record(&[]).letter(Uuid::nil(), "log").is_err());
        let mut bare = record(&[]);
        bare.headers.retain(|(name, _)| name != dlq::REASON);
        assert_eq!(bare.letter(LOG, "log").unwrap_err(), "gatelog-dlq-reason is missing");
    }
}

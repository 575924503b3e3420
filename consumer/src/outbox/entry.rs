use std::borrow::Cow;

use bytes::Bytes;
use schemas::Millis;
use serde_json::Value;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// The decision on a live swipe.
    Decision,
    /// An event that was given up, for whoever reads the dead letters' topic.
    DeadLetter,
    /// A dead letter that goes back into the log.
    Replay,
}

/// The place of the event that a message tells of, and its own kind: its key in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) kind: Kind,
}

/// A header as it is to be sent.
pub(crate) type Header = (Cow<'static, str>, Option<Bytes>);

/// A message of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    /// As the value and the headers' values, often a piece of a buffer that it shares with others.
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<Header>,
    /// What publishing took is counted from here.
    pub(crate) since: Millis,
    /// When the door command in it expires, if it has one.
    pub(crate) expires_at: Option<Millis>,
    /// Whether its event comes from a lane: it stands before what its partition has come to.
    pub(crate) waited: bool,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Decision, Self::DeadLetter, Self::Replay];

    /// The name in the table and on `/metrics`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::DeadLetter => "dead_letter",
            Self::Replay => "replay",
        }
    }

    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Entry {
    /// Bytes of its key, value and headers.
    pub(crate) fn bytes(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + length(value));
        length(&self.key) + length(&self.value) + headers.sum::<usize>()
    }

    /// Takes the door command out of the decision if it has expired by now, and says whether it had.
    /// Everything else stays: the decision is history worth having.
    pub(crate) fn expire(&mut self, now: Millis) -> bool {
        if self.expires_at.is_none_or(|at| now < at) {
            return false;
        }
        self.expires_at = None;
        // Not as our own type: a row of a newer version may say more. What cannot be read at all
        // holds no command that a door could read.
        let read = self.value.as_deref().map(serde_json::from_slice);
        let Some(Ok(Value::Object(mut value))) = read else { return false };
        let had = value.remove("command").is_some();
        self.value = Some(Value::Object(value).to_string().into());
        had
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_command_is_taken_out_once_and_nothing_else() {
        let decision = r#"{"event_id":"x","command":{"command_id":"y"},"new":[1]}"#;
        let mut entry = Entry {
            place: Place { partition: 0, offset: 1, kind: Kind::Decision },
            key: Some(Bytes::from_static(b"t")),
            value: Some(Bytes::from_static(decision.as_bytes())),
            headers: Vec::new(),
            since: Millis::from_unix_ms(0),
            expires_at: Some(Millis::from_unix_ms(10)),
            waited: false,
        };
        assert!(!entry.expire(Millis::from_unix_ms(9)));
        assert_eq!(entry.value.as_deref(), Some(decision.as_bytes()));
        assert!(entry.expire(Millis::from_unix_ms(10)));
        let left: Value = serde_json::from_slice(entry.value.as_deref().unwrap()).unwrap();
        assert_eq!(left, serde_json::json!({"event_id": "x", "new": [1]}));
        assert!(!entry.expire(Millis::from_unix_ms(11)));
    }
}

use rdkafka::message::{Header, OwnedHeaders};
use schemas::{EVENT_BYTES_MAX, Invalid, Millis, Mode, Swipe, headers};

/// Room for the usual value, so that encoding does not grow its buffer.
const VALUE_BYTES_USUAL: usize = 384;

/// A swipe as it goes to the log: what it says, and the record's value.
#[derive(Debug)]
pub struct Event<'a> {
    swipe: Swipe<'a>,
    value: Vec<u8>,
    traceparent: &'a str,
    deadline: Option<Millis>,
}

impl<'a> Event<'a> {
    /// Encodes `swipe`; `traceparent` is the trace that goes on in the log.
    ///
    /// # Errors
    /// The value is longer than [`EVENT_BYTES_MAX`].
    pub fn new(swipe: Swipe<'a>, traceparent: &'a str) -> Result<Self, Invalid> {
        let mut value = Vec::with_capacity(VALUE_BYTES_USUAL);
        serde_json::to_writer(&mut value, &swipe)
            .map_err(|_| Invalid::new("$", "cannot be written as JSON"))?;
        if value.len() > EVENT_BYTES_MAX {
            let problem =
                format!("has {} bytes in the log, may have {EVENT_BYTES_MAX}", value.len());
            return Err(Invalid::new("$", problem));
        }
        Ok(Self { swipe, value, traceparent, deadline: None })
    }

    /// Says from when on nobody waits for it any more: so long after it was read, where it was read
    /// at a terminal that is connected. History can wait.
    #[must_use]
    pub fn due_within(self, live_ms: u64) -> Self {
        let Swipe { mode, age_ms, received_at, .. } = &self.swipe;
        let (live_ms, age_ms) =
            (i64::try_from(live_ms).ok(), age_ms.and_then(|ms| ms.try_into().ok()));
        let deadline = (*mode == Mode::Online).then_some(()).and_then(|()| {
            let read_at = received_at.unix_ms().checked_sub(age_ms?)?;
            Some(Millis::from_unix_ms(read_at.checked_add(live_ms?)?))
        });
        Self { deadline, ..self }
    }

    /// What the event says.
    pub fn swipe(&self) -> &Swipe<'a> {
        &self.swipe
    }

    /// The record's key: what decides the partition.
    pub fn key(&self) -> &[u8] {
        self.swipe.card_id.as_bytes()
    }

    /// The record's value.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The record's headers: CloudEvents 1.0 in binary mode, the trace, and the deadline.
    pub fn headers(&self) -> OwnedHeaders {
        let event_id = self.swipe.event_id.as_hyphenated();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let event_id: &str = event_id.encode_lower(&mut text);
        let occurred_at = self.swipe.occurred_at.to_string();
        let headers = [
            (headers::SPEC_VERSION, headers::SPEC_VERSION_1_0),
            (headers::ID, event_id),
            (headers::SOURCE, &self.swipe.terminal_id),
            (headers::TYPE, headers::TYPE_SWIPE_V1),
            (headers::TIME, &occurred_at),
            (headers::CONTENT_TYPE, headers::CONTENT_TYPE_JSON),
            (headers::TRACEPARENT, self.traceparent),
        ];
        let deadline = self.deadline.map(|at| at.to_string());
        let deadline = deadline.as_deref().map(|text| (headers::DEADLINE, text));
        let empty = OwnedHeaders::new_with_capacity(headers.len() + 1);
        headers
            .into_iter()
            .chain(deadline)
            .fold(empty, |all, (key, value)| all.insert(Header { key, value: Some(value) }))
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;
    use schemas::{Millis, Submission};

    use super::*;

    #[test]
    fn what_is_written_is_what_the_log_says() {
        let body = br#"{"card_id":"c\"1","terminal_id":"gate-7","mode":"online",
            "occurred_at":"2016-05-31T02:05:00.12+02:00","later":{"is":"ignored"}}"#;
        let submission = Submission::decode(body).unwrap();
        let event_id = submission.event_id().unwrap();
        let swipe = submission.into_swipe(event_id, Millis::from_unix_ms(1_464_653_100_500));
        let event = Event::new(swipe, "00-trace").unwrap();

        assert_eq!(&Swipe::decode(event.value()).unwrap(), event.swipe());
        assert_eq!(event.key(), b"c\"1");
        let headers: Vec<_> = event
            .headers()
            .iter()
            .map(|h| (h.key.to_owned(), String::from_utf8(h.value.unwrap().to_vec()).unwrap()))
            .collect();
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", &event_id.to_string()),
            ("ce_source", "gate-7"),
            ("ce_type", "gatelog.swipe.v1"),
            ("ce_time", "2016-05-31T00:05:00.120Z"),
            ("content-type", "application/json"),
            ("traceparent", "00-trace"),
        ];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(headers, expected);
        let headers = event.due_within(5_000).headers();
        assert_eq!(headers.count(), 7, "nobody knows how old it is");
    }

    #[test]
    fn a_live_one_says_until_when_it_matters() {
        let deadline = |rest: &str| {
            let body = format!(
                r#"{{"card_id":"c1","terminal_id":"gate-7","occurred_at":"2016-05-31T00:05:00.120Z",{rest}}}"#
            );
            let submission = Submission::decode(body.as_bytes()).unwrap();
            let event_id = submission.event_id().unwrap();
            let swipe = submission.into_swipe(event_id, Millis::from_unix_ms(1_464_653_100_500));
            let headers = Event::new(swipe, "00-trace").unwrap().due_within(5_000).headers();
            (headers.count() == 8).then(|| {
                let last = headers.get(7);
                assert_eq!(last.key, "gatelog-deadline");
                String::from_utf8(last.value.unwrap().to_vec()).unwrap()
            })
        };
        let live = deadline(r#""mode":"online","age_ms":500"#);
        assert_eq!(live.as_deref(), Some("2016-05-31T00:05:05.000Z"));
        assert_eq!(deadline(r#""mode":"offline""#), None);
    }
}

use rdkafka::message::{Header, OwnedHeaders};
use schemas::{EVENT_BYTES_MAX, Invalid, Swipe, headers};

/// Room for the usual value, so that encoding does not grow its buffer.
const VALUE_BYTES_USUAL: usize = 384;

/// A swipe as it goes to the log: what it says, and the record's value.
#[derive(Debug)]
pub struct Event<'a> {
    swipe: Swipe<'a>,
    value: Vec<u8>,
    traceparent: &'a str,
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
        Ok(Self { swipe, value, traceparent })
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

    /// The record's headers: CloudEvents 1.0 in binary mode, and the trace.
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
        let empty = OwnedHeaders::new_with_capacity(headers.len());
        headers
            .into_iter()
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
    }
}

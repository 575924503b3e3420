//! Ids that are derived must come out the same in every implementation and for ever.

use proptest::prelude::*;
use schemas::{
    Millis, Nonce, Submission, TerminalCounter, command_id, dead_letter_id, decision_id,
    derive_event_id, parse_key,
};
use serde_json::Value;

#[test]
fn published_vectors() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/derived-key.json")).unwrap();
    for vector in vectors["event_id"].as_array().unwrap() {
        let text = vector["submission"].to_string();
        let submission = Submission::decode(text.as_bytes()).unwrap();
        let id = submission.event_id().unwrap();
        assert_eq!(id.to_string(), vector["event_id"].as_str().unwrap(), "{text}");
    }
    for vector in vectors["command_id"].as_array().unwrap() {
        let event = parse_key("event_id", vector["event_id"].as_str().unwrap()).unwrap();
        assert_eq!(command_id(event).to_string(), vector["command_id"].as_str().unwrap());
    }
    for vector in vectors["decision_id"].as_array().unwrap() {
        let event = vector["event_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(decision_id(event).to_string(), vector["decision_id"].as_str().unwrap());
    }
    for vector in vectors["dead_letter_id"].as_array().unwrap() {
        let topic = parse_key("topic_id", vector["topic_id"].as_str().unwrap()).unwrap();
        let partition = vector["partition"].as_i64().unwrap() as i32;
        let offset = vector["offset"].as_i64().unwrap();
        let id = dead_letter_id(topic, partition, offset, vector["stage"].as_str().unwrap());
        assert_eq!(id.to_string(), vector["dead_letter_id"].as_str().unwrap());
    }
}

#[test]
fn a_retry_with_another_age_derives_the_same_id() {
    let swipe = |age: u32| {
        let text = format!(
            r#"{{"card_id":"c1","terminal_id":"t1","occurred_at":"2026-03-01T08:00:00Z","mode":"online","age_ms":{age}}}"#
        );
        Submission::decode(text.as_bytes()).unwrap().event_id().unwrap()
    };
    assert_eq!(swipe(1), swipe(5_000));
}

#[test]
fn keys_are_trimmed_and_lower_cased_and_anything_else_is_refused() {
    let id = parse_key("k", "  0195F3A2-7C1E-7B52-9D0F-2F0C3C1A9E11\t").unwrap();
    assert_eq!(id.to_string(), "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11");
    for bad in [
        "",
        "1",
        "0195f3a27c1e7b529d0f2f0c3c1a9e11",
        "{0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11}",
        "urn:uuid:0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11",
        "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e1g",
        "0195f3a2-7c1e-7b52-1d0f-2f0c3c1a9e11",
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert!(parse_key("X-Idempotency-Key", bad).is_err(), "{bad}");
    }
}

proptest! {
    /// S10: one terminal may read any number of cards in one millisecond.
    #[test]
    fn one_terminal_within_one_millisecond(seqs in prop::collection::hash_set(any::<(u32, u64)>(), 2..200)) {
        let at = Millis::from_unix_ms(1_464_652_800_000);
        let ids: std::collections::HashSet<_> = seqs
            .iter()
            .map(|(epoch, seq)| derive_event_id("t1", at, &Nonce::Counter(TerminalCounter { epoch: *epoch, seq: *seq })))
            .collect();
        prop_assert_eq!(ids.len(), seqs.len());
    }
}

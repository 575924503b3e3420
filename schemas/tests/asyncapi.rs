//! The checked-in `asyncapi.json` says what this crate says of topics, headers and values, and its
//! examples are those of the contract.
//!
//! `UPDATE_SCHEMAS=1 cargo test -p schemas` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use schemas::{DeadLetterHeaders, Decision, EVENT_BYTES_MAX, ID_LENGTH_MAX, Swipe, headers};
use serde_json::{Map, Value, json};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(folder().join(path)).unwrap()
}

fn example(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// A header's schema. Values of Kafka's headers are bytes: each of ours is text.
fn header(name: &str, of: &str) -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let format = |format: &str, description: &str| json!({ "type": "string", "format": format, "description": description });
    let constant = |value: &str, description: &str| json!({ "type": "string", "const": value, "description": description });
    match name {
        headers::SPEC_VERSION => {
            constant(headers::SPEC_VERSION_1_0, "CloudEvents, binary content mode for Kafka.")
        }
        headers::ID if of == headers::TYPE_DECISION_V1 => {
            format("uuid", "Of the decision, derived from the swipe's: sent twice, it is the same.")
        }
        headers::ID => format("uuid", "The event's id, equal to event_id in the value."),
        headers::SOURCE => id("The terminal."),
        headers::TYPE => constant(of, "Type and version of the value."),
        headers::TIME if of == headers::TYPE_DECISION_V1 => {
            format("date-time", "When it was decided.")
        }
        headers::TIME => format("date-time", "When the card was read."),
        headers::CONTENT_TYPE => constant(headers::CONTENT_TYPE_JSON, "Media type of the value."),
        headers::TRACEPARENT => text("W3C Trace Context."),
        headers::DEADLINE => format("date-time", "From then on trying again is of no use."),
        headers::REPLAY => json!({
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "How many times it has been replayed. An event that has it never opens a door.",
        }),
        headers::dlq::ID => format("uuid", "Of a replay: the dead letter that it is a replay of."),
        headers::dlq::VERSION => json!({
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "Of a replay: the version that its dead letter got with it; only while the letter has that does this replay settle it.",
        }),
        other => panic!("{other} has no schema"),
    }
}

fn id(description: &str) -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": ID_LENGTH_MAX,
        "pattern": "^[!-~]+$",
        "description": description,
    })
}

fn headers_of(names: &[&str], optional: &[&str], of: &str) -> Value {
    let all = names.iter().chain(optional);
    let properties: Map<String, Value> =
        all.map(|name| ((*name).to_owned(), header(name, of))).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

const ALWAYS: [&str; 6] = [
    headers::SPEC_VERSION,
    headers::ID,
    headers::SOURCE,
    headers::TYPE,
    headers::TIME,
    headers::CONTENT_TYPE,
];

fn swipe() -> Value {
    let path = "examples/swipe/right/as-the-gateway-writes-it.json";
    let sent = read(path);
    let swipe = Swipe::decode(sent.as_bytes()).unwrap();
    json!({
        "name": headers::TYPE_SWIPE_V1,
        "title": "A swipe",
        "summary": "One read of a card at a terminal.",
        "description": format!(
            "Identity is (event_id, card_id, occurred_at): published again, at whatever offset, it is \
             the same event. The record's key is card_id; a record with another key, or in another \
             partition than murmur2 gives its key, becomes a dead letter. At most {EVENT_BYTES_MAX} bytes."
        ),
        "contentType": headers::CONTENT_TYPE_JSON,
        "headers": headers_of(
            &ALWAYS,
            &[
                headers::TRACEPARENT,
                headers::DEADLINE,
                headers::REPLAY,
                headers::dlq::ID,
                headers::dlq::VERSION,
            ],
            headers::TYPE_SWIPE_V1,
        ),
        "payload": { "$ref": "./swipe.schema.json" },
        "bindings": key(&id("card_id")),
        "examples": [{
            "name": "online",
            "headers": cloud_event(
                &swipe.event_id.to_string(),
                &swipe.terminal_id,
                headers::TYPE_SWIPE_V1,
                &swipe.occurred_at.to_string(),
            ),
            "payload": example(path),
        }],
    })
}

fn decision() -> Value {
    let path = "examples/decision/right/granted.json";
    let decision: Decision = serde_json::from_str(&read(path)).unwrap();
    json!({
        "name": headers::TYPE_DECISION_V1,
        "title": "A decision",
        "summary": "What became of one live swipe, with the door command where it is granted.",
        "description": "Published at least once, under ids that are derived from the swipe: a door \
            ignores a command_id that it has seen, and one that has expired. Take a reason that you \
            don't know as other.",
        "contentType": headers::CONTENT_TYPE_JSON,
        "headers": headers_of(&ALWAYS, &[headers::TRACEPARENT], headers::TYPE_DECISION_V1),
        "payload": { "$ref": "./decision.schema.json" },
        "bindings": key(&id("terminal_id")),
        "examples": [{
            "name": "granted",
            "headers": cloud_event(
                &schemas::decision_id(decision.event_id).to_string(),
                &decision.terminal_id,
                headers::TYPE_DECISION_V1,
                &decision.decided_at.to_string(),
            ),
            "payload": example(path),
        }],
    })
}

fn dead_letter() -> Value {
    json!({
        "name": "gatelog.dead_letter.v1",
        "title": "A dead letter",
        "summary": "An event that could not be applied, and why.",
        "description": "Key, value and headers are the original record's; these headers come beside \
            them, and gatelog-dlq-omitted where key, value or headers are left out for their size: it \
            names which. Numbers are decimal text there. Names: KIP-1191's where it has them.",
        "contentType": "application/octet-stream",
        "headers": { "$ref": "./dead_letter.schema.json" },
        "payload": { "description": "The original bytes, whatever they are; it may have none." },
        "bindings": key(&json!({ "type": "string", "description": "The original key; it may have none." })),
    })
}

fn cloud_event(id: &str, source: &str, of: &str, time: &str) -> Value {
    json!({
        headers::SPEC_VERSION: headers::SPEC_VERSION_1_0,
        headers::ID: id,
        headers::SOURCE: source,
        headers::TYPE: of,
        headers::TIME: time,
        headers::CONTENT_TYPE: headers::CONTENT_TYPE_JSON,
    })
}

fn key(schema: &Value) -> Value {
    json!({ "kafka": { "key": schema, "bindingVersion": "0.5.0" } })
}

/// A channel, as `gatelog setup` makes its topic.
fn channel(topic: &str, title: &str, message: &str, description: &str, config: &Value) -> Value {
    json!({
        "address": topic,
        "title": title,
        "description": description,
        "messages": { message: { "$ref": format!("#/components/messages/{message}") } },
        "bindings": {
            "kafka": { "topic": topic, "topicConfiguration": config, "bindingVersion": "0.5.0" },
        },
    })
}

fn operation(action: &str, channel: &str, message: &str, summary: &str) -> Value {
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "messages": [{ "$ref": format!("#/channels/{channel}/messages/{message}") }],
        "summary": summary,
    })
}

fn document() -> Value {
    let kept = json!({ "cleanup.policy": ["delete"], "retention.ms": -1 });
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:gatelog",
        "info": {
            "title": "gatelog",
            "version": "1.0.0",
            "description": "The event contract of gatelog, an event-sourced access log: what stands in \
                its topics. Fields and headers that are not listed are ignored; new ones may come. \
                Topics may have other names: the configuration says which.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": headers::CONTENT_TYPE_JSON,
        "servers": {
            "kafka": {
                "host": "{broker}",
                "protocol": "kafka",
                "description": "Where kafka.brokers of the configuration points to.",
                "variables": { "broker": { "default": "localhost:9092" } },
            },
        },
        "channels": {
            "swipes": channel("gatelog.swipes.v1", "The log", "swipe",
                "Every swipe, in the order of each card. The partition count is frozen when the topic \
                 is made: with more of them, cards would move away from their order.", &kept),
            "decisions": channel("gatelog.decisions.v1", "Decisions", "decision",
                "The decision on every live swipe, by terminal.",
                &json!({ "cleanup.policy": ["delete"], "retention.ms": 604_800_000 })),
            "deadLetters": channel("gatelog.swipes.dlq.v1", "Dead letters", "deadLetter",
                "Every event that could not be applied.", &kept),
        },
        "operations": {
            "publishSwipe": operation("send", "swipes", "swipe",
                "The gateway publishes what terminals submit; a consumer publishes replays."),
            "applySwipe": operation("receive", "swipes", "swipe",
                "Consumers turn each swipe into exactly one outcome."),
            "publishDecision": operation("send", "decisions", "decision",
                "Consumers publish what they decided, after the commit."),
            "publishDeadLetter": operation("send", "deadLetters", "deadLetter",
                "Consumers publish what they gave up, after the commit."),
        },
        "components": {
            "messages": { "swipe": swipe(), "decision": decision(), "deadLetter": dead_letter() },
        },
    })
}

#[test]
fn the_document_is_current() {
    let path = folder().join("asyncapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "{} is not what the crate says; write it anew with UPDATE_SCHEMAS=1 cargo test -p schemas",
        path.display()
    );
}

/// No header that the crate knows is missing, and none is there that it doesn't know.
#[test]
fn every_header_is_described() {
    let document = document();
    let described = |message: &str| -> BTreeSet<String> {
        let headers = &document["components"]["messages"][message]["headers"]["properties"];
        headers.as_object().unwrap().keys().cloned().collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut of_a_swipe: BTreeSet<String> = set(&headers::OF_A_SWIPE);
    of_a_swipe.insert(headers::dlq::ID.to_owned());
    of_a_swipe.insert(headers::dlq::VERSION.to_owned());
    assert_eq!(described("swipe"), of_a_swipe);
    assert_eq!(described("decision"), set(&headers::OF_A_DECISION));

    let letter = read("examples/dead_letter/right/out-of-range.json");
    let letter: DeadLetterHeaders = serde_json::from_str(&letter).unwrap();
    let sent: BTreeSet<String> =
        letter.to_headers().into_iter().map(|(name, _)| name.to_owned()).collect();
    let schema = example("dead_letter.schema.json");
    let listed: BTreeSet<String> =
        schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(listed, sent);
}

#[test]
fn its_references_lead_somewhere_and_its_examples_are_right() {
    let document = document();
    let mut found = 0;
    walk(&document, &mut |reference| {
        found += 1;
        if let Some(pointer) = reference.strip_prefix('#') {
            assert!(document.pointer(pointer).is_some(), "{reference}");
        } else {
            example(reference.strip_prefix("./").unwrap());
        }
    });
    assert!(found >= 10, "{found} references");
    for (_, message) in document["components"]["messages"].as_object().unwrap() {
        for sent in message["examples"].as_array().into_iter().flatten() {
            let path = message["payload"]["$ref"].as_str().unwrap();
            let payload = example(path.strip_prefix("./").unwrap());
            for (schema, value) in
                [(&payload, &sent["payload"]), (&message["headers"], &sent["headers"])]
            {
                let validator = jsonschema::options().should_validate_formats(true).build(schema);
                if let Err(error) = validator.unwrap().validate(value) {
                    panic!("{}: {error}", message["name"]);
                }
            }
        }
    }
}

fn walk(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                seen(reference);
            }
            fields.values().for_each(|field| walk(field, seen));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, seen)),
        _ => {}
    }
}

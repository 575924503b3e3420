//! The checked-in schemas are those of the types; every right example validates and decodes; every
//! wrong one is refused by schema and decoder alike, with a message that names the field.
//!
//! `UPDATE_SCHEMAS=1 cargo test -p schemas` writes the schema files anew.

#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use schemas::{DeadLetterHeaders, Decision, Invalid, Submission, Swipe};
use serde_json::Value;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema_of<T: JsonSchema>(id: &str) -> Value {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["$id"] = Value::from(format!("urn:gatelog:schema:{id}"));
    schema
}

fn all() -> [(&'static str, Value); 4] {
    [
        ("swipe", schema_of::<Swipe<'static>>("gatelog.swipe.v1")),
        ("submission", schema_of::<Submission<'static>>("gatelog.submission.v1")),
        ("decision", schema_of::<Decision>("gatelog.decision.v1")),
        ("dead_letter", schema_of::<DeadLetterHeaders>("gatelog.dead_letter_headers.v1")),
    ]
}

/// Decodes as the product does.
fn decode(name: &str, bytes: &[u8]) -> Result<(), Invalid> {
    fn plain<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<(), Invalid> {
        let reader = &mut serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, T>(reader) {
            Ok(_) => Ok(()),
            Err(error) => Err(Invalid::new(error.path().to_string(), error.inner().to_string())),
        }
    }
    match name {
        "swipe" => Swipe::decode(bytes).map(drop),
        "submission" => Submission::decode(bytes)?.event_id().map(drop),
        "decision" => plain::<Decision>(bytes),
        "dead_letter" => plain::<DeadLetterHeaders>(bytes),
        other => panic!("no decoder for {other}"),
    }
}

fn examples(name: &str, kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder().join("examples").join(name).join(kind);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no examples in {}", folder.display());
    files
}

#[test]
fn schema_files_are_current() {
    for (name, schema) in all() {
        let path = folder().join(format!("{name}.schema.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{} is not what the types say; write it anew with UPDATE_SCHEMAS=1 cargo test -p schemas",
            path.display()
        );
    }
}

#[test]
fn right_examples_validate_and_decode() {
    for (name, schema) in all() {
        let validator = validator(&schema);
        for (path, bytes) in examples(name, "right") {
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            if let Err(error) = validator.validate(&value) {
                panic!("{}: the schema refuses it: {error}", path.display());
            }
            if let Err(error) = decode(name, &bytes) {
                panic!("{}: the decoder refuses it: {error}", path.display());
            }
        }
    }
}

/// A wrong example's file is named after the field that is wrong: `card_id--space.json`.
#[test]
fn wrong_examples_are_refused_and_the_field_is_named() {
    for (name, schema) in all() {
        let validator = validator(&schema);
        for (path, bytes) in examples(name, "wrong") {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let (field, why) = stem.split_once("--").expect("FIELD--WHY.json");
            let field = if field == "root" { "$" } else { field };
            let error = decode(name, &bytes)
                .expect_err(&format!("{}: decoded, though {field} is wrong", path.display()));
            assert!(
                error.to_string().contains(field.trim_start_matches("root").trim()),
                "{}: the message does not name {field}: {error}",
                path.display()
            );
            // Two rules are not a schema's business: text that is no JSON, and fields that only
            // come together.
            if let Ok(value) = serde_json::from_slice::<Value>(&bytes)
                && !why.starts_with("alone")
            {
                assert!(!validator.is_valid(&value), "{}: the schema lets it pass", path.display());
            }
        }
    }
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

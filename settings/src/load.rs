use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use toml::{Table, Value};

/// A binary's settings.
pub trait Settings: Serialize + DeserializeOwned + Default {
    /// Prefix of the environment variables that override the file, as `GATELOG_CONSUMER_`.
    const ENV_PREFIX: &'static str;

    /// Checks what the types cannot: ranges, and values that contradict one another.
    ///
    /// # Errors
    /// [`Error::Value`] with the key's path.
    fn check(&self) -> Result<(), Error>;
}

/// Settings that cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("configuration file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("configuration file {path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key is unknown, has a value of the wrong kind, or one that is out of its limits.
    #[error("configuration: {key}: {problem}")]
    Value {
        /// The key's path, as `kafka.brokers`.
        key: String,
        /// What is wrong and what it may be.
        problem: String,
    },
}

impl Error {
    /// An error about the value of `key`.
    pub fn value(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value { key: key.into(), problem: problem.into() }
    }
}

/// Variables that every binary understands, and the key each stands for.
const SHARED: [(&str, &[&str]); 2] =
    [("GATELOG_KAFKA", &["kafka", "brokers"]), ("GATELOG_POSTGRES", &["postgres", "url"])];

/// Reads `file`, if one is given, lays this process's environment over it and checks the result.
///
/// # Errors
/// Whatever is wrong first; see [`Error`].
pub fn load<T: Settings>(file: Option<&Path>) -> Result<T, Error> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_from(file, environment)
}

/// [`load`] with an environment of the caller's.
///
/// # Errors
/// See [`load`].
pub fn load_from<T: Settings>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, Error> {
    let mut table = match file {
        Some(path) => read(path)?,
        None => Table::new(),
    };
    let defaults = Table::try_from(T::default())
        .map_err(|e| Error::value("$", format!("the defaults are no table: {e}")))?;
    for (name, text) in environment {
        let shared = SHARED.iter().find(|(variable, _)| *variable == name);
        let path: Vec<String> = match (shared, name.strip_prefix(T::ENV_PREFIX)) {
            // A binary without Postgres does not mind that GATELOG_POSTGRES is set.
            (Some((_, path)), _) if defaults.contains_key(path[0]) => {
                path.iter().map(ToString::to_string).collect()
            }
            (None, Some(rest)) => rest.split("__").map(str::to_lowercase).collect(),
            _ => continue,
        };
        let value = typed(&path, &text, &defaults)?;
        put(&mut table, &path, value)?;
    }
    let settings: T = serde_path_to_error::deserialize(Value::Table(table))
        .map_err(|error| Error::value(error.path().to_string(), error.inner().message()))?;
    settings.check()?;
    Ok(settings)
}

/// The settings as TOML, with secrets hidden.
///
/// # Errors
/// The settings hold something that TOML cannot say.
pub fn print<T: Settings>(settings: &T) -> Result<String, Error> {
    toml::to_string_pretty(settings).map_err(|e| Error::value("$", e.to_string()))
}

fn read(path: &Path) -> Result<Table, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    text.parse().map_err(|source| Error::Syntax { path: path.to_owned(), source: Box::new(source) })
}

/// Environment variables are text; what kind of value is meant, the default says.
fn typed(path: &[String], text: &str, defaults: &Table) -> Result<Value, Error> {
    let mut default = None;
    let mut level = Some(defaults);
    for key in path {
        default = level.and_then(|table| table.get(key));
        level = default.and_then(Value::as_table);
    }
    let wrong = |what: &str| Error::value(path.join("."), format!("must be {what}"));
    Ok(match default {
        Some(Value::Integer(_)) => {
            Value::Integer(text.trim().parse().map_err(|_| wrong("a whole number"))?)
        }
        Some(Value::Float(_)) => Value::Float(text.trim().parse().map_err(|_| wrong("a number"))?),
        Some(Value::Boolean(_)) => {
            Value::Boolean(text.trim().parse().map_err(|_| wrong("true or false"))?)
        }
        Some(Value::Array(_)) => {
            Value::Array(text.split(',').map(|item| Value::from(item.trim())).collect())
        }
        _ => Value::from(text),
    })
}

fn put(table: &mut Table, path: &[String], value: Value) -> Result<(), Error> {
    let Some((last, parents)) = path.split_last() else {
        return Ok(());
    };
    let mut level = table;
    for key in parents {
        level = level
            .entry(key.clone())
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| Error::value(path.join("."), format!("{key} is not a section")))?;
    }
    level.insert(last.clone(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{Kafka, Postgres};

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        kafka: Kafka,
        postgres: Postgres,
    }

    impl Settings for Sample {
        const ENV_PREFIX: &'static str = "GATELOG_SAMPLE_";

        fn check(&self) -> Result<(), Error> {
            self.kafka.check()?;
            self.postgres.check()
        }
    }

    fn from_env(pairs: &[(&str, &str)]) -> Result<Sample, Error> {
        load_from(None, pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())))
    }

    #[test]
    fn defaults_are_valid_and_the_environment_overrides_them() {
        let sample = from_env(&[
            ("GATELOG_KAFKA", "k1:9092"),
            ("GATELOG_SAMPLE_KAFKA__SECURITY_PROTOCOL", "SASL_SSL"),
            ("GATELOG_SAMPLE_KAFKA__SASL_MECHANISM", "SCRAM-SHA-256"),
            ("GATELOG_SAMPLE_KAFKA__SASL_USERNAME", "4711"),
            ("GATELOG_SAMPLE_POSTGRES__CONNECT_TIMEOUT_MS", "1234"),
            ("GATELOG_OTHER_THING", "x"),
        ])
        .unwrap();
        assert_eq!(sample.kafka.brokers, "k1:9092");
        assert_eq!(sample.kafka.sasl_username.as_deref(), Some("4711"));
        assert_eq!(sample.postgres.connect_timeout_ms, 1234);
        assert!(from_env(&[]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (name, value, key) in [
            ("GATELOG_SAMPLE_KAFKA__BROKRS", "x", "kafka.brokrs"),
            ("GATELOG_SAMPLE_KAFAK__BROKERS", "x", "kafak"),
            ("GATELOG_SAMPLE_POSTGRES__CONNECT_TIMEOUT_MS", "soon", "postgres.connect_timeout_ms"),
            ("GATELOG_SAMPLE_POSTGRES__CONNECT_TIMEOUT_MS", "0", "postgres.connect_timeout_ms"),
            ("GATELOG_SAMPLE_KAFKA__SECURITY_PROTOCOL", "tls", "kafka.security_protocol"),
            ("GATELOG_SAMPLE_KAFKA__SASL_MECHANISM", "PLAIN", "kafka.sasl_mechanism"),
            ("GATELOG_SAMPLE_KAFKA__SASL_USERNAME", "me", "kafka.sasl_username"),
            ("GATELOG_SAMPLE_KAFKA__SSL_CA_FILE", "/ca.pem", "kafka.ssl_ca_file"),
            ("GATELOG_POSTGRES", "postgres://me@db/x?sslmode=require", "postgres.url"),
            ("GATELOG_KAFKA", "", "kafka.brokers"),
            ("GATELOG_POSTGRES", "mysql://x", "postgres.url"),
        ] {
            let error = from_env(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{name}={value}: {error}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let sample = from_env(&[
            ("GATELOG_POSTGRES", "postgres://me:hunter2@db/gatelog"),
            ("GATELOG_SAMPLE_KAFKA__SECURITY_PROTOCOL", "SASL_SSL"),
            ("GATELOG_SAMPLE_KAFKA__SASL_MECHANISM", "SCRAM-SHA-512"),
            ("GATELOG_SAMPLE_KAFKA__SASL_USERNAME", "me"),
            ("GATELOG_SAMPLE_KAFKA__SASL_PASSWORD", "hunter2"),
        ])
        .unwrap();
        let other = "postgres://me@db/gatelog?password=hunter2";
        let hidden = print(&from_env(&[("GATELOG_POSTGRES", other)]).unwrap()).unwrap();
        let text = format!("{}{sample:?}{hidden}", print(&sample).unwrap());
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("***"), "{text}");
    }
}

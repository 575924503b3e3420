//! The name of one stack.

use std::fmt;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Twelve random hexadecimal digits. They name the stack's folder and stand in the command line of
/// each of its servers, so that a pid that now belongs to another program is never taken for ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StackId(String);

impl StackId {
    /// A new one.
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 6];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut bytes))
            .context("cannot read /dev/urandom")?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The id of a folder's name, if it is one.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let valid =
            name.len() == 12 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(name.to_owned()))
    }

    /// The twelve digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A Kafka cluster id: base64url of 16 bytes without padding, hence 22 characters of which the
    /// last carries two bits (`A` leaves them 0).
    pub(crate) fn cluster_id(&self) -> String {
        format!("gatelog-{}AA", self.0)
    }

    /// The name of its Docker compose project.
    pub(crate) fn compose_project(&self) -> String {
        format!("gatelog-{}", self.0)
    }
}

impl fmt::Display for StackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_differ_and_parse() {
        let id = StackId::random().unwrap();
        assert_ne!(id, StackId::random().unwrap());
        assert_eq!(StackId::parse(id.as_str()), Some(id));
    }

    #[test]
    fn other_folders_are_no_stacks() {
        for name in ["cache", "", "0123456789abc", "0123456789AB", "../456789abc"] {
            assert_eq!(StackId::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_cluster_id_has_22_characters() {
        assert_eq!(StackId::random().unwrap().cluster_id().len(), 22);
    }
}

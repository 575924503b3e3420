//! Bytes in JSON: base64, and beside it the text that they are, for whoever reads the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob(pub(super) Vec<u8>);

/// Bytes that are text beside base64: as text they may take six times their size, and what is longer
/// is no event to be read.
const TEXT_MAX: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Form<'a> {
    base64: std::borrow::Cow<'a, str>,
    /// Only where they are UTF-8, and not too many; not read back.
    #[serde(default, skip_serializing_if = "Option::is_none", skip_deserializing)]
    text: Option<&'a str>,
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let base64 = STANDARD.encode(&self.0).into();
        let short = Some(&self.0).filter(|bytes| bytes.len() <= TEXT_MAX);
        let text = short.and_then(|bytes| std::str::from_utf8(bytes).ok());
        Form { base64, text }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Form::deserialize(deserializer)?;
        // The decoder's own error would quote a byte.
        let bytes = STANDARD.decode(form.base64.as_bytes());
        bytes.map(Self).map_err(|_| D::Error::custom("must be base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_and_base64_is_read() {
        for (bytes, wanted) in [
            (b"{}".to_vec(), r#"{"base64":"e30=","text":"{}"}"#),
            (vec![0xff, 0], r#"{"base64":"/wA="}"#),
            (vec![], r#"{"base64":"","text":""}"#),
        ] {
            let text = serde_json::to_string(&Blob(bytes.clone())).unwrap();
            assert_eq!(text, wanted);
            assert_eq!(serde_json::from_str::<Blob>(&text).unwrap(), Blob(bytes));
        }
        let long = serde_json::to_string(&Blob(vec![0; TEXT_MAX + 1])).unwrap();
        assert!(!long.contains("text") && long.len() < TEXT_MAX * 3 / 2, "{}", long.len());
        let error = serde_json::from_str::<Blob>(r#"{"base64":"4711!"}"#).unwrap_err().to_string();
        assert!(error.contains("must be base64") && !error.contains("4711"), "{error}");
    }
}

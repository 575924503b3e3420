//! Terminal ids from columns: `f{floor}-z{zone}`.
//!
//! What a column holds is made fit for an id first: lower case, and each run of characters other
//! than ASCII letters and digits becomes one `-`, none at the ends. `Server Room` is `server-room`.

use csv::StringRecord;
use schemas::Invalid;
use serde::Deserialize;

use crate::Error;

/// Text with columns in braces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Piece<String>>);

/// A template that knows where the columns are.
#[derive(Debug, Clone)]
pub(super) struct Bound(Vec<Piece<(usize, String)>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<C> {
    Text(String),
    Column(C),
}

impl TryFrom<String> for Template {
    type Error = &'static str;

    fn try_from(template: String) -> Result<Self, Self::Error> {
        let mut pieces = Vec::new();
        let mut rest = template.as_str();
        while !rest.is_empty() {
            let (text, after) = rest.split_once('{').unwrap_or((rest, ""));
            if text.contains('}') {
                return Err("has a } without its {");
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
            if text.len() == rest.len() {
                break;
            }
            let (column, after) = after.split_once('}').ok_or("has a { without its }")?;
            if column.is_empty() || column.contains('{') {
                return Err("must name a column between { and }");
            }
            pieces.push(Piece::Column(column.to_owned()));
            rest = after;
        }
        if pieces.is_empty() { Err("must not be empty") } else { Ok(Self(pieces)) }
    }
}

impl Template {
    /// Finds the columns.
    pub(super) fn bind(
        &self,
        column: impl Fn(&str) -> Result<usize, Error>,
    ) -> Result<Bound, Error> {
        let pieces = self.0.iter().map(|piece| {
            Ok(match piece {
                Piece::Text(text) => Piece::Text(text.clone()),
                Piece::Column(name) => Piece::Column((column(name)?, name.clone())),
            })
        });
        pieces.collect::<Result<_, Error>>().map(Bound)
    }
}

impl Bound {
    /// The id that a line's terminal has.
    pub(super) fn fill(&self, record: &StringRecord) -> Result<String, Invalid> {
        let mut id = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => id += text,
                Piece::Column((index, name)) => {
                    let before = id.len();
                    push_slug(&mut id, record.get(*index).unwrap_or_default());
                    if id.len() == before {
                        return Err(Invalid::new(name, "has no letter or digit"));
                    }
                }
            }
        }
        Ok(id)
    }
}

fn push_slug(id: &mut String, text: &str) {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            id.push('-');
        }
        id.extend(word.chars().map(|c| c.to_ascii_lowercase()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for (text, wanted) in [
            ("Server Room", "server-room"),
            ("  East / West 2 ", "east-west-2"),
            ("6", "6"),
            ("---", ""),
        ] {
            let mut slug = String::new();
            push_slug(&mut slug, text);
            assert_eq!(slug, wanted, "{text:?}");
        }
    }

    #[test]
    fn templates() {
        let pieces = |text: &str| Template::try_from(text.to_owned()).map(|t| t.0.len());
        assert_eq!(pieces("vast-f{floor}-z{zone}"), Ok(4));
        assert_eq!(pieces("{a}{b}"), Ok(2));
        assert_eq!(pieces("door"), Ok(1));
        for wrong in ["", "a{", "a}b", "{}", "{a{b}", "{a}}"] {
            assert!(pieces(wrong).is_err(), "{wrong}");
        }
    }
}

use std::error::Error;
use std::fmt;

use access::{CardState, Enforcement, ZoneMode};
use bytes::BytesMut;
use serde::{Serialize, Serializer};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// A closed set of words that a column may hold.
pub trait Words: Copy + fmt::Debug {
    /// The word that stands in the table.
    fn word(self) -> &'static str;

    /// What a word of the table stands for.
    fn of_word(word: &str) -> Option<Self>;
}

/// One of a closed set of words, to and from Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Word<T>(pub T);

impl<T: Words> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.word())
    }
}

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<T: Words> ToSql for Word<T> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.word().to_sql(ty, out)
    }

    accepts!(TEXT, VARCHAR);
    to_sql_checked!();
}

impl<'a, T: Words> FromSql<'a> for Word<T> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let word = <&str>::from_sql(ty, raw)?;
        let known = T::of_word(word).map(Self);
        known.ok_or_else(|| {
            "a word that this program does not know: it is older than the schema".into()
        })
    }

    accepts!(TEXT, VARCHAR);
}

macro_rules! words_of {
    ($($name:ty),*) => {$(
        impl Words for $name {
            fn word(self) -> &'static str {
                self.as_str()
            }

            fn of_word(word: &str) -> Option<Self> {
                Self::parse(word)
            }
        }
    )*};
}

words_of!(CardState, ZoneMode, Enforcement);

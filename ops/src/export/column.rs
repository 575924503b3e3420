//! Columns: what Postgres has, and what becomes of it in a file.

use arrow_schema::extension::Uuid;
use arrow_schema::{DataType, Field, TimeUnit};

use super::view::quoted;
use crate::Error;

/// A column of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    /// Text in the file, too.
    Json,
    Uuid,
    Timestamptz,
    Timestamp,
    Date,
    /// µs, in a column whose name says so.
    Interval,
    /// Of a known precision and scale.
    Decimal(u8, i8),
    /// Of neither: its digits, as text.
    Numeric,
    TextList,
}

/// Digits that a decimal has in a file at most.
const PRECISION_MAX: i32 = 38;

impl Column {
    /// # Errors
    /// [`Error::Usage`] for a type that no file has a place for.
    pub(super) fn new(name: &str, of: &str, modifier: i32) -> Result<Self, Error> {
        let kind = match of {
            "bool" => Kind::Bool,
            "int2" => Kind::Int16,
            "int4" => Kind::Int32,
            "int8" => Kind::Int64,
            "float4" => Kind::Float32,
            "float8" => Kind::Float64,
            "text" | "varchar" | "bpchar" | "name" => Kind::Text,
            "json" | "jsonb" => Kind::Json,
            "uuid" => Kind::Uuid,
            "timestamptz" => Kind::Timestamptz,
            "timestamp" => Kind::Timestamp,
            "date" => Kind::Date,
            "interval" => Kind::Interval,
            "numeric" => numeric(modifier),
            "_text" => Kind::TextList,
            other => {
                return Err(Error::Usage(format!(
                    "column {name} is of type {other}, which cannot be exported"
                )));
            }
        };
        Ok(Self { name: name.to_owned(), kind })
    }

    /// What the statement asks for.
    pub(super) fn selected(&self) -> String {
        let name = quoted(&self.name);
        match self.kind {
            Kind::Text | Kind::Json | Kind::Numeric | Kind::Decimal(..) => format!("{name}::text"),
            _ => name,
        }
    }

    /// Its name in a file.
    pub(super) fn name_in_file(&self) -> String {
        match self.kind {
            Kind::Interval => format!("{}_us", self.name),
            _ => self.name.clone(),
        }
    }

    /// As Arrow has it, and Parquet by that.
    pub(super) fn field(&self) -> Field {
        let of = match self.kind {
            Kind::Bool => DataType::Boolean,
            Kind::Int16 => DataType::Int16,
            Kind::Int32 => DataType::Int32,
            Kind::Int64 | Kind::Interval => DataType::Int64,
            Kind::Float32 => DataType::Float32,
            Kind::Float64 => DataType::Float64,
            Kind::Text | Kind::Json | Kind::Numeric => DataType::Utf8,
            Kind::Uuid => DataType::FixedSizeBinary(16),
            Kind::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Date => DataType::Date32,
            Kind::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Kind::TextList => DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
        };
        let field = Field::new(self.name_in_file(), of, true);
        if self.kind == Kind::Uuid { field.with_extension_type(Uuid) } else { field }
    }
}

/// A numeric's modifier is 4 more than its precision above 16 bits of scale.
fn numeric(modifier: i32) -> Kind {
    let (precision, scale) = ((modifier - 4) >> 16, (modifier - 4) & 0x7ff);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale))
            if modifier >= 4 && (1..=PRECISION_MAX).contains(&i32::from(precision)) =>
        {
            Kind::Decimal(precision, scale)
        }
        _ => Kind::Numeric,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_is_a_decimal_where_its_digits_are_known() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | scale) + 4;
        assert_eq!(numeric(-1), Kind::Numeric);
        assert_eq!(numeric(modifier(10, 2)), Kind::Decimal(10, 2));
        assert_eq!(numeric(modifier(38, 0)), Kind::Decimal(38, 0));
        assert_eq!(numeric(modifier(39, 0)), Kind::Numeric);
    }

    #[test]
    fn what_has_no_place_is_named() {
        let error = Column::new("where", "point", -1).unwrap_err().to_string();
        assert!(error.contains("where") && error.contains("point"), "{error}");
    }
}

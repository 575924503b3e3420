//! A type as declared: which field plays which part.

use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Field, Fields, FieldsNamed, Ident, Result, Type};

use crate::options::{self, Mode};

/// A declaration that makes a statement.
pub(crate) struct Declaration {
    pub(crate) name: Ident,
    pub(crate) table: String,
    /// At least one.
    pub(crate) key: Vec<Column>,
    /// At least one.
    pub(crate) plain: Vec<Column>,
    pub(crate) auto: Column,
    pub(crate) time: Option<Column>,
}

/// A field and the column that it is.
pub(crate) struct Column {
    pub(crate) field: Ident,
    pub(crate) ty: Type,
    pub(crate) name: String,
}

impl Declaration {
    /// Reads all of it; the error names everything that is wrong, not just the first.
    pub(crate) fn read(input: &DeriveInput) -> Result<Self> {
        let fields = named_fields(input)?;
        if !input.generics.params.is_empty() {
            return Err(Error::new_spanned(
                &input.generics,
                "`Versioned` does not support generic structs: a column has one type",
            ));
        }
        let mut problems = Problems::default();
        let table = problems.keep(options::read_table(input));
        let columns = problems.keep(Columns::read(fields));
        let Some((table, columns)) = table.zip(columns) else {
            return Err(problems.into_error(&input.ident));
        };
        columns.into_declaration(&input.ident, table)
    }
}

fn named_fields(input: &DeriveInput) -> Result<&FieldsNamed> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(fields),
            Fields::Unnamed(_) | Fields::Unit => None,
        },
        Data::Enum(_) | Data::Union(_) => None,
    }
    .ok_or_else(|| {
        Error::new(
            input.ident.span(),
            "`Versioned` is for structs with named fields: each field is a column",
        )
    })
}

/// The columns of each mode, not yet checked against each other.
#[derive(Default)]
struct Columns {
    key: Vec<Column>,
    plain: Vec<Column>,
    auto: Vec<Column>,
    time: Vec<Column>,
}

impl Columns {
    fn read(fields: &FieldsNamed) -> Result<Self> {
        let mut columns = Self::default();
        let mut problems = Problems::default();
        for field in &fields.named {
            problems.keep(columns.add(field));
        }
        problems.into_result(columns)
    }

    fn add(&mut self, field: &Field) -> Result<()> {
        let options = options::read_field(field)?;
        let Some(ident) = field.ident.clone() else { return Ok(()) };
        let group = match options.mode {
            Mode::Plain => &mut self.plain,
            Mode::Key => &mut self.key,
            Mode::Auto => &mut self.auto,
            Mode::Time => &mut self.time,
            Mode::Ignore => return Ok(()),
        };
        let name = options.column.unwrap_or_else(|| ident.unraw().to_string());
        group.push(Column { field: ident, ty: field.ty.clone(), name });
        Ok(())
    }

    fn into_declaration(self, of: &Ident, table: String) -> Result<Declaration> {
        let mut problems = Problems::default();
        self.check_names(&mut problems);
        if self.key.is_empty() {
            problems.add(
                of,
                "no key; mark the field or fields that find the row with `#[version(key)]`",
            );
        }
        if self.plain.is_empty() {
            problems.add(of, "nothing to update; at least one field must have none of the modes");
        }
        let Self { key, plain, auto, time } = self;
        let auto = problems.at_most_one("auto", "a row has one version", auto);
        let time = problems.at_most_one("time", "a change has one moment", time);
        if auto.is_none() {
            problems.add(
                of,
                "no version; mark the `i64` that counts the changes with `#[version(auto)]`",
            );
        }
        match auto {
            Some(auto) if problems.0.is_none() => {
                Ok(Declaration { name: of.clone(), table, key, plain, auto, time })
            }
            _ => Err(problems.into_error(of)),
        }
    }

    fn check_names(&self, problems: &mut Problems) {
        let groups = [&self.key, &self.plain, &self.auto, &self.time];
        let all: Vec<_> = groups.into_iter().flatten().collect();
        for (index, column) in all.iter().enumerate() {
            if let Some(first) = all[..index].iter().find(|other| other.name == column.name) {
                let (name, field) = (&column.name, first.field.unraw());
                problems.add(
                    &column.field,
                    &format!(
                        "second field for the column `{name}`; the field `{field}` is it already"
                    ),
                );
            }
        }
    }
}

/// Everything that is wrong, as one error.
#[derive(Default)]
struct Problems(Option<Error>);

impl Problems {
    fn add(&mut self, at: &Ident, text: &str) {
        self.keep::<()>(Err(Error::new(at.span(), text)));
    }

    /// The value, or `None` and a problem more.
    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(problems)) => problems.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }

    fn at_most_one(&mut self, mode: &str, why: &str, columns: Vec<Column>) -> Option<Column> {
        let mut columns = columns.into_iter();
        let first = columns.next()?;
        for other in columns {
            let field = first.field.unraw();
            self.add(
                &other.field,
                &format!("second `#[version({mode})]`: {why}, and `{field}` is it"),
            );
        }
        Some(first)
    }

    fn into_result<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }

    fn into_error(self, of: &Ident) -> Error {
        self.0.unwrap_or_else(|| Error::new(of.span(), "`Versioned` cannot be derived"))
    }
}

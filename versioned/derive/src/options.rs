//! What the attributes say, each by itself.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Error, Field, LitStr, Result};

/// Longest name that Postgres does not cut, in bytes (NAMEDATALEN − 1).
const NAME_BYTES_MAX: usize = 63;

/// What becomes of a field in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Written and compared.
    Plain,
    /// Finds the row.
    Key,
    /// Counts the changes.
    Auto,
    /// Takes the moment of a change.
    Time,
    /// Not mentioned.
    Ignore,
}

/// The options of one field.
pub(crate) struct FieldOptions {
    pub(crate) mode: Mode,
    pub(crate) column: Option<String>,
}

/// `#[versioned(table = "…")]`.
pub(crate) fn read_table(input: &DeriveInput) -> Result<String> {
    let mut table = None;
    for attribute in &input.attrs {
        if attribute.path().is_ident("version") {
            return Err(Error::new_spanned(
                attribute,
                "`#[version(…)]` belongs on a field; a struct takes `#[versioned(table = \"…\")]`",
            ));
        }
        if attribute.path().is_ident("versioned") {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("table") {
                    return Err(
                        meta.error("unknown option; `#[versioned(…)]` takes `table = \"…\"`")
                    );
                }
                set_name(&mut table, &meta, "the table")
            })?;
        }
    }
    table.ok_or_else(|| {
        Error::new(input.ident.span(), "no table; add `#[versioned(table = \"…\")]` to the struct")
    })
}

/// All `#[version(…)]` of one field.
pub(crate) fn read_field(field: &Field) -> Result<FieldOptions> {
    let mut mode = None;
    let mut column = None;
    for attribute in &field.attrs {
        if attribute.path().is_ident("versioned") {
            return Err(Error::new_spanned(
                attribute,
                "`#[versioned(…)]` belongs on the struct; a field takes `#[version(…)]`",
            ));
        }
        if attribute.path().is_ident("version") {
            read_options(attribute, &mut mode, &mut column)?;
        }
    }
    if mode == Some(Mode::Ignore) && column.is_some() {
        return Err(Error::new_spanned(
            field,
            "an ignored field has no column; remove `ignore` or `column`",
        ));
    }
    Ok(FieldOptions { mode: mode.unwrap_or(Mode::Plain), column })
}

fn read_options(
    attribute: &Attribute,
    mode: &mut Option<Mode>,
    column: &mut Option<String>,
) -> Result<()> {
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("column") {
            return set_name(column, &meta, "the column");
        }
        let found = [
            ("key", Mode::Key),
            ("auto", Mode::Auto),
            ("time", Mode::Time),
            ("ignore", Mode::Ignore),
        ]
        .into_iter()
        .find(|(word, _)| meta.path.is_ident(word));
        let Some((_, found)) = found else {
            return Err(meta.error(
                "unknown option; `#[version(…)]` takes one of `key`, `auto`, `time`, `ignore`, and `column = \"…\"`",
            ));
        };
        if mode.replace(found).is_some() {
            return Err(meta.error(
                "second mode; a field has at most one of `key`, `auto`, `time`, `ignore`",
            ));
        }
        Ok(())
    })
}

/// `… = "name"`, once.
fn set_name(name: &mut Option<String>, meta: &ParseNestedMeta<'_>, what: &str) -> Result<()> {
    let literal: LitStr = meta.value()?.parse()?;
    let value = literal.value();
    let problem = if name.is_some() {
        format!("{what} is named twice")
    } else if value.is_empty() {
        format!("{what} needs a name")
    } else if value.contains('\0') {
        format!("{what}'s name holds a NUL, which Postgres cannot store")
    } else if value.len() > NAME_BYTES_MAX {
        format!("{what}'s name is longer than {NAME_BYTES_MAX} bytes, where Postgres cuts it")
    } else {
        *name = Some(value);
        return Ok(());
    };
    Err(Error::new(literal.span(), problem))
}

//! The statements. `versioned::Versioned` says what they mean.

use crate::declaration::{Column, Declaration};

/// The update. Parameters: plain values, key, expected version, time.
///
/// `unchanged` stands before `changed`, so that a table of either name is still that table.
pub(crate) fn update(of: &Declaration) -> String {
    let expected = 1 + of.plain.len() + of.key.len();
    let table = quoted(&of.table);
    let version = quoted(&of.auto.name);
    let row =
        format!("{} AND {version} = ${expected}", pairs(&of.key, 1 + of.plain.len(), "=", " AND "));
    let same = pairs(&of.plain, 1, "IS NOT DISTINCT FROM", " AND ");
    let differs = pairs(&of.plain, 1, "IS DISTINCT FROM", " OR ");
    let mut set = pairs(&of.plain, 1, "=", ", ");
    if let Some(time) = &of.time {
        set += &format!(", {} = ${}", quoted(&time.name), expected + 1);
    }
    format!(
        "WITH unchanged AS (
    SELECT {version} FROM {table}
    WHERE {row} AND {same}
), changed AS (
    UPDATE {table} SET {set}, {version} = {version} + 1
    WHERE {row} AND ({differs})
    RETURNING {version}
)
SELECT (SELECT {version} FROM unchanged UNION ALL SELECT {version} FROM changed)"
    )
}

/// The version that stands. Parameters: key.
pub(crate) fn current(of: &Declaration) -> String {
    let (version, table) = (quoted(&of.auto.name), quoted(&of.table));
    format!("SELECT (SELECT {version} FROM {table} WHERE {})", pairs(&of.key, 1, "=", " AND "))
}

/// `"a" = $1, "b" = $2`, and its like.
fn pairs(columns: &[Column], first: usize, operator: &str, separator: &str) -> String {
    let pairs: Vec<_> = (first..)
        .zip(columns)
        .map(|(number, column)| format!("{} {operator} ${number}", quoted(&column.name)))
        .collect();
    pairs.join(separator)
}

/// A name as an identifier, whatever it holds.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn every_mode_in_its_place() {
        let of = Declaration::read(&parse_quote! {
            #[versioned(table = "pass")]
            struct Pass {
                #[version(key)] site: String,
                #[version(key, column = "card id")] card: String,
                zones: Vec<String>,
                r#type: Option<String>,
                #[version(auto)] version: i64,
                #[version(time)] changed_at: i64,
                #[version(ignore)] note: String,
            }
        })
        .unwrap();
        let expected = r#"WITH unchanged AS (
    SELECT "version" FROM "pass"
    WHERE "site" = $3 AND "card id" = $4 AND "version" = $5 AND "zones" IS NOT DISTINCT FROM $1 AND "type" IS NOT DISTINCT FROM $2
), changed AS (
    UPDATE "pass" SET "zones" = $1, "type" = $2, "changed_at" = $6, "version" = "version" + 1
    WHERE "site" = $3 AND "card id" = $4 AND "version" = $5 AND ("zones" IS DISTINCT FROM $1 OR "type" IS DISTINCT FROM $2)
    RETURNING "version"
)
SELECT (SELECT "version" FROM unchanged UNION ALL SELECT "version" FROM changed)"#;
        assert_eq!(update(&of), expected);
        assert_eq!(
            current(&of),
            r#"SELECT (SELECT "version" FROM "pass" WHERE "site" = $1 AND "card id" = $2)"#
        );
    }

    #[test]
    fn a_quote_in_a_name_ends_nothing() {
        assert_eq!(quoted(r#"x" = 1; --"#), r#""x"" = 1; --""#);
    }
}

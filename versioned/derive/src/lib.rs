//! The derive of `versioned`, which says what it is for.

mod declaration;
mod expand;
mod options;
mod sql;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use declaration::Declaration;

/// Derives `versioned::Versioned` for a struct that is a row of a table.
///
/// `#[versioned(table = "…")]` names the table. Fields are columns; `#[version(…)]` says what is
/// special about one: `key`, `auto`, `time` or `ignore`, and `column = "…"` if it has another name.
#[proc_macro_derive(Versioned, attributes(versioned, version))]
pub fn derive_versioned(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    Declaration::read(&input)
        .map_or_else(|error| error.to_compile_error(), |declaration| expand::expand(&declaration))
        .into()
}

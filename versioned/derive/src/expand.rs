//! The implementation that is written.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::declaration::{Column, Declaration};
use crate::sql;

pub(crate) fn expand(of: &Declaration) -> TokenStream {
    let Declaration { name, table, auto, .. } = of;
    let (update, current) = (sql::update(of), sql::current(of));
    let (values, key) = (references(&of.plain), references(&of.key));
    let (time, keep_time) = time(of.time.as_ref());
    let version = &auto.field;
    let ty = &auto.ty;
    let number = quote_spanned!(place(ty)=> <#ty as ::versioned::private::Number>);
    quote! {
        #[automatically_derived]
        impl ::versioned::Versioned for #name {
            const TABLE: &'static str = #table;
            const UPDATE: &'static str = #update;
            const CURRENT: &'static str = #current;

            fn version(&self) -> i64 {
                #number::get(&self.#version)
            }

            fn values(&self) -> ::std::vec::Vec<&(dyn ::versioned::private::ToSql + ::core::marker::Sync)> {
                ::std::vec![#values]
            }

            fn key(&self) -> ::std::vec::Vec<&(dyn ::versioned::private::ToSql + ::core::marker::Sync)> {
                ::std::vec![#key]
            }

            fn time(
                now_unix_ms: i64,
            ) -> ::core::option::Option<
                ::std::boxed::Box<dyn ::versioned::private::ToSql + ::core::marker::Send + ::core::marker::Sync>,
            > {
                #time
            }

            fn moved_on(&mut self, version: i64, now_unix_ms: i64) {
                #number::set(&mut self.#version, version);
                #keep_time
            }
        }
    }
}

fn references(columns: &[Column]) -> TokenStream {
    let references = columns.iter().map(|Column { field, ty, .. }| {
        quote_spanned!(place(ty)=> &self.#field as &(dyn ::versioned::private::ToSql + ::core::marker::Sync))
    });
    quote!(#(#references),*)
}

/// What to write into the time column, and how the field takes it over.
fn time(column: Option<&Column>) -> (TokenStream, TokenStream) {
    let Some(Column { field, ty, .. }) = column else {
        return (
            quote!(let _ = now_unix_ms; ::core::option::Option::None),
            quote!(let _ = now_unix_ms;),
        );
    };
    let moment =
        quote_spanned!(place(ty)=> <#ty as ::versioned::Moment>::from_unix_ms(now_unix_ms));
    (
        quote!(::core::option::Option::Some(::std::boxed::Box::new(#moment))),
        quote!(self.#field = #moment;),
    )
}

/// Where the compiler shall point if the type does not fit. The names are still ours: `self` at the
/// place of a type that comes from another macro would be that macro's.
fn place(ty: &Type) -> Span {
    Span::call_site().located_at(ty.span())
}

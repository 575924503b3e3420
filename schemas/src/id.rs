use crate::Invalid;

/// Bytes that a card, terminal or zone id may have.
pub const ID_LENGTH_MAX: usize = 64;

/// Checks an id of a card, terminal or zone: 1 to 64 characters, visible ASCII, so that it is the
/// same bytes as a Kafka key, as Postgres text, in a header and in a URL's query.
///
/// # Errors
/// Names `field` and the limit.
pub fn check_id(field: &str, id: &str) -> Result<(), Invalid> {
    if id.is_empty() || id.len() > ID_LENGTH_MAX {
        return Err(Invalid::new(
            field,
            format!("has {} bytes, must have 1 to {ID_LENGTH_MAX}", id.len()),
        ));
    }
    if !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Invalid::new(field, "may hold visible ASCII characters only, without spaces"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert!(check_id("card_id", "a").is_ok());
        assert!(check_id("card_id", &"x".repeat(64)).is_ok());
        for bad in ["", "a b", "a\n", "ü", "a\0", &"x".repeat(65)] {
            let error = check_id("card_id", bad).unwrap_err();
            assert_eq!(error.field, "card_id", "{bad:?}");
        }
    }
}

use axum::http::{HeaderMap, HeaderName};
use schemas::{Submission, headers, parse_key};
use uuid::Uuid;

use crate::problem::{Kind, Problem};

/// Headers that may carry the idempotency key, as they are written in answers.
const NAMES: [(HeaderName, &str); 2] = [
    (HeaderName::from_static(headers::HTTP_KEY), "X-Idempotency-Key"),
    (HeaderName::from_static(headers::HTTP_KEY_IETF), "Idempotency-Key"),
];

/// The idempotency key that the request's headers carry, if they carry one.
///
/// # Errors
/// A key that is no UUID, or two that differ.
pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let mut found: Option<Uuid> = None;
    for (name, shown) in &NAMES {
        for value in headers.get_all(name) {
            // The IETF draft makes the key a structured-field string, which stands in quotes.
            let text = value.to_str().unwrap_or_default().trim();
            let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
            let key = parse_key(shown, bare.unwrap_or(text))
                .map_err(|invalid| Problem::new(Kind::MalformedKey, invalid.to_string()))?;
            if found.is_some_and(|other| other != key) {
                let detail = "X-Idempotency-Key and Idempotency-Key: must be equal where a request \
                              carries more than one";
                return Err(Problem::new(Kind::ConflictingKey, detail));
            }
            found = Some(key);
        }
    }
    Ok(found)
}

/// Refuses a key in the headers of a batch, whose lines have an `event_id` each.
///
/// # Errors
/// There is one.
pub(crate) fn refuse(headers: &HeaderMap) -> Result<(), Problem> {
    match NAMES.iter().find(|(name, _)| headers.contains_key(name)) {
        None => Ok(()),
        Some((_, shown)) => Err(Problem::new(
            Kind::MisplacedKey,
            format!("{shown}: may not be sent with a batch; each line may have its own event_id"),
        )),
    }
}

/// The event's id: the header's key, else the body's, else derived from what was read.
///
/// # Errors
/// The body's `event_id` is no UUID, or not the header's.
pub(crate) fn of_event(header: Option<Uuid>, submission: &Submission<'_>) -> Result<Uuid, Problem> {
    let Some(key) = header else {
        return Ok(submission.event_id()?);
    };
    if submission.event_id.is_some() && submission.event_id()? != key {
        let detail = "event_id: must be equal to the idempotency key in the header";
        return Err(Problem::new(Kind::ConflictingKey, detail));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11";
    const OTHER: &str = "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e12";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn submission(event_id: &str) -> String {
        format!(
            r#"{{{event_id}"card_id":"c","terminal_id":"t","mode":"online",
                "occurred_at":"2026-01-02T03:04:05.678Z"}}"#
        )
    }

    #[test]
    fn one_key_under_either_name_in_any_case() {
        let loud = format!("  {}  ", KEY.to_uppercase());
        let quoted = format!("\"{KEY}\"");
        for pairs in [
            &[("x-idempotency-key", KEY)][..],
            &[("idempotency-key", KEY)],
            &[("idempotency-key", &quoted)],
            &[("x-idempotency-key", &loud), ("idempotency-key", KEY)],
        ] {
            let key = from_headers(&headers(pairs)).unwrap().unwrap();
            assert_eq!(key.to_string(), KEY, "{pairs:?}");
        }
        assert_eq!(from_headers(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn malformed_and_differing_keys_are_refused() {
        let short = &KEY[1..];
        for (pairs, kind) in [
            (&[("x-idempotency-key", "")][..], Kind::MalformedKey),
            (&[("x-idempotency-key", short)], Kind::MalformedKey),
            (&[("idempotency-key", "00000000-0000-0000-0000-000000000000")], Kind::MalformedKey),
            (&[("idempotency-key", KEY), ("x-idempotency-key", "x")], Kind::MalformedKey),
            (&[("idempotency-key", KEY), ("x-idempotency-key", OTHER)], Kind::ConflictingKey),
            (&[("idempotency-key", KEY), ("idempotency-key", OTHER)], Kind::ConflictingKey),
        ] {
            let problem = from_headers(&headers(pairs)).unwrap_err();
            assert_eq!(problem.kind, kind, "{pairs:?}");
            assert!(problem.detail.contains("dempotency-Key"), "{problem:?}");
        }
    }

    #[test]
    fn the_body_must_agree_with_the_header() {
        let header = Some(KEY.parse().unwrap());
        let id_of = |header, event_id: &str| {
            let body = submission(event_id);
            of_event(header, &Submission::decode(body.as_bytes()).unwrap())
        };
        let own = |id: &str| format!(r#""event_id":"{id}","#);

        assert_eq!(id_of(header, "").unwrap().to_string(), KEY);
        assert_eq!(id_of(header, &own(&KEY.to_uppercase())).unwrap().to_string(), KEY);
        assert_eq!(id_of(None, &own(OTHER)).unwrap().to_string(), OTHER);
        assert_eq!(id_of(None, "").unwrap().get_version_num(), 5);
        assert_eq!(id_of(header, &own(OTHER)).unwrap_err().kind, Kind::ConflictingKey);
        assert_eq!(id_of(header, &own("x")).unwrap_err().kind, Kind::MalformedEvent);
    }
}

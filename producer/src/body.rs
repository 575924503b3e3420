use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::{Kind, Problem};

/// Media type of one swipe.
pub(crate) const JSON: &str = "application/json";
/// Media type of a batch: one JSON object a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Checks that the body is `media_type`, uncompressed.
///
/// # Errors
/// It is something else, or doesn't say.
pub(crate) fn check_type(headers: &HeaderMap, media_type: &str) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let given = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    if !given.is_some_and(|given| given.trim().eq_ignore_ascii_case(media_type)) {
        let detail = format!("Content-Type: must be {media_type}");
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let is_plain = |encoding: &str| encoding.trim().eq_ignore_ascii_case("identity");
    if headers.contains_key(header::CONTENT_ENCODING)
        && !text(header::CONTENT_ENCODING).is_some_and(is_plain)
    {
        let detail = "Content-Encoding: must be absent or identity";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Ok(())
}

/// Reads a body of at most `bytes_max` bytes within `timeout`.
///
/// # Errors
/// It is longer, takes longer, or breaks off.
pub(crate) async fn read(
    body: Body,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body may have {bytes_max} bytes at most");
        Problem::new(Kind::TooLarge, detail)
    };
    // What announces its length need not be read to be refused.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let whole = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(timeout, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Kind::MalformedEvent, "the body broke off")),
        Err(_) => {
            let detail = format!("the body must be here within {} ms", timeout.as_millis());
            Err(Problem::new(Kind::BodyTimeout, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_media_type_uncompressed() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            check_type(&pairs.collect(), JSON)
        };
        assert_eq!(check(&[("content-type", "Application/JSON; charset=utf-8")]), Ok(()));
        for wrong in [
            &[][..],
            &[("content-type", "text/json")],
            &[("content-type", "application/jsonx")],
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
        ] {
            let problem = check(wrong).unwrap_err();
            assert_eq!(problem.kind, Kind::UnsupportedMediaType, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn limits_hold_with_and_without_an_announced_length() {
        let second = Duration::from_secs(1);
        let announced = read(Body::from("12345"), 4, second).await.unwrap_err();
        assert_eq!(announced.kind, Kind::TooLarge);
        let chunks = || {
            let body = http_body_util::Full::new(Bytes::from_static(b"12345"));
            Body::new(Unannounced(body))
        };
        assert_eq!(read(chunks(), 4, second).await.unwrap_err().kind, Kind::TooLarge);
        assert_eq!(read(chunks(), 5, second).await.unwrap(), "12345");
    }

    #[tokio::test]
    async fn a_body_that_never_ends_times_out() {
        let body = Body::new(Never);
        let problem = read(body, 4, Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(problem.kind, Kind::BodyTimeout);
    }

    struct Unannounced(http_body_util::Full<Bytes>);

    impl HttpBody for Unannounced {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(cx)
        }
    }

    struct Never;

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
}

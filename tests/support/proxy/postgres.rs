//! As much of Postgres' protocol as tells a COMMIT and its reply: the framing of messages.

/// Longest body that is kept: that of a short Query or CommandComplete.
const BODY_BYTES_KEPT: usize = 64;
/// Type, where there is one, and length.
const HEAD_BYTES: usize = 5;

/// Messages of one side of a connection, as their bytes come in.
pub(super) struct Frames {
    /// A client's first messages have no type, until the one that says version 3.
    is_starting: bool,
    head: Vec<u8>,
    body: Vec<u8>,
    /// Bytes of the body that are still to come.
    left: usize,
}

impl Frames {
    pub(super) fn of_client() -> Self {
        Self { is_starting: true, head: Vec::new(), body: Vec::new(), left: 0 }
    }

    pub(super) fn of_server() -> Self {
        Self { is_starting: false, ..Self::of_client() }
    }

    /// Takes bytes and calls `each` for every message that is complete by them, with its type and
    /// the start of its body.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(u8, &[u8])) {
        while let Some((first, rest)) = bytes.split_first() {
            if !self.is_head_complete() {
                self.head.push(*first);
                bytes = rest;
                if !self.is_head_complete() {
                    continue;
                }
                self.left = self.body_bytes();
            }
            let take = self.left.min(bytes.len());
            let keep = take.min(BODY_BYTES_KEPT.saturating_sub(self.body.len()));
            self.body.extend_from_slice(&bytes[..keep]);
            bytes = &bytes[take..];
            self.left -= take;
            if self.left == 0 {
                self.complete(&mut each);
            }
        }
    }

    fn complete(&mut self, each: &mut impl FnMut(u8, &[u8])) {
        if self.is_starting {
            // Anything else is a wish for encryption, or to cancel, and another one follows.
            self.is_starting = !self.body.starts_with(&[0, 3]);
        } else {
            each(self.head[0], &self.body);
        }
        self.head.clear();
        self.body.clear();
    }

    fn head_bytes(&self) -> usize {
        if self.is_starting { HEAD_BYTES - 1 } else { HEAD_BYTES }
    }

    fn is_head_complete(&self) -> bool {
        self.head.len() == self.head_bytes()
    }

    /// The length counts itself and not the type.
    fn body_bytes(&self) -> usize {
        let length = self.head.last_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length));
        (length as usize).saturating_sub(4)
    }
}

/// Whether a client's message ends a transaction: a simple Query that says so.
pub(super) fn is_commit(kind: u8, body: &[u8]) -> bool {
    kind == b'Q' && body.strip_suffix(b"\0").is_some_and(|sql| sql.eq_ignore_ascii_case(b"COMMIT"))
}

/// Whether a server's message says that it did.
pub(super) fn is_committed(kind: u8, body: &[u8]) -> bool {
    kind == b'C' && body == b"COMMIT\0"
}

/// Whether a server's message says that it has answered all that was asked.
pub(super) fn is_answered(kind: u8) -> bool {
    kind == b'Z'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        kind.into_iter().chain(length).chain(body.iter().copied()).collect()
    }

    fn session() -> Vec<u8> {
        [
            message(None, &80_877_103_u32.to_be_bytes()),
            message(None, b"\0\x03\0\0user\0Q\0\0"),
            message(Some(b'd'), &[b'Q'; 1_000]),
            message(Some(b'Q'), b"SELECT 'COMMIT'\0"),
            message(Some(b'S'), b""),
            message(Some(b'Q'), b"COMMIT\0"),
        ]
        .concat()
    }

    #[test]
    fn a_commit_is_told_however_the_bytes_are_cut() {
        for size in [1, 2, 3, 7, 64, 5_000] {
            let mut frames = Frames::of_client();
            let (mut kinds, mut commits) = (Vec::new(), 0);
            for some in session().chunks(size) {
                frames.feed(some, |kind, body| {
                    kinds.push(kind);
                    commits += usize::from(is_commit(kind, body));
                });
            }
            assert_eq!((&kinds[..], commits), (&b"dQSQ"[..], 1), "in pieces of {size}");
        }
    }

    #[test]
    fn a_rollback_is_no_reply_to_wait_for() {
        let mut told = Vec::new();
        let replies = [message(Some(b'C'), b"ROLLBACK\0"), message(Some(b'C'), b"COMMIT\0")];
        let mut frames = Frames::of_server();
        frames.feed(&replies.concat(), |kind, body| told.push(is_committed(kind, body)));
        assert_eq!(told, [false, true]);
    }
}

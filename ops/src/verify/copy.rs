//! Rows as COPY sends them in its binary format (PostgreSQL documentation, "COPY", File Formats),
//! one message a row, decoded in place.

use std::borrow::Cow;

use registry::Timestamptz;
use schemas::{
    Digest, Direction, LocalDecision, Millis, Mode, Swipe, digest_of_record, digest_of_swipe,
};
use uuid::Uuid;

use super::sums::{Entry, Found};
use crate::Error;

/// A stream of such messages.
#[derive(Debug, Default)]
pub(super) struct Rows {
    has_begun: bool,
}

/// The columns that are left of a row.
pub(super) struct Columns<'r>(&'r [u8]);

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

impl Rows {
    /// The row of a message; none in the last.
    pub(super) fn row<'r>(&mut self, message: &'r [u8]) -> Result<Option<Columns<'r>>, Error> {
        let mut columns = Columns(message);
        if !self.has_begun {
            self.has_begun = true;
            if columns.take(SIGNATURE.len())? != SIGNATURE {
                return Err(damaged());
            }
            columns.take(4)?;
            let extension = i32::from_be_bytes(columns.array()?);
            columns.take(usize::try_from(extension).map_err(|_| damaged())?)?;
            if columns.0.is_empty() {
                return Ok(None);
            }
        }
        let count = i16::from_be_bytes(columns.array()?);
        Ok((count >= 0).then_some(columns))
    }
}

impl<'r> Columns<'r> {
    /// A row of `access_log` or `collision`, in the order of `sql/copy_swipes.sql`.
    pub(super) fn swipe(mut self, found: Found) -> Result<Entry, Error> {
        let (partition, offset) = self.place()?;
        let swipe = Swipe {
            event_id: Uuid::from_bytes(self.fixed()?.ok_or_else(damaged)?),
            card_id: Cow::Borrowed(self.text()?.ok_or_else(damaged)?),
            terminal_id: Cow::Borrowed(self.text()?.ok_or_else(damaged)?),
            terminal_epoch: self.fixed()?.map(u32::from_be_bytes),
            terminal_seq: self.fixed()?.map(u64::from_be_bytes),
            occurred_at: self.time()?.ok_or_else(damaged)?,
            age_ms: self.fixed()?.map(u64::from_be_bytes),
            received_at: self.time()?.ok_or_else(damaged)?,
            direction: match self.text()? {
                Some("in") => Some(Direction::In),
                Some(_) => Some(Direction::Out),
                None => None,
            },
            mode: match self.fixed()? {
                Some([0]) => Mode::Offline,
                Some([_]) => Mode::Online,
                None => return Err(damaged()),
            },
            local_decision: self.fixed()?.map(|[granted]| match granted {
                0 => LocalDecision::Denied,
                _ => LocalDecision::Granted,
            }),
        };
        let digest = digest_of_swipe(offset, &swipe);
        Ok(Entry { partition, offset, digest, occurred_at: Some(swipe.occurred_at), found })
    }

    /// A duplicate: the digest that was taken of it when it was found.
    pub(super) fn duplicate(mut self) -> Result<Entry, Error> {
        let (partition, offset) = self.place()?;
        let digest = Digest(u128::from_be_bytes(self.fixed()?.ok_or_else(damaged)?));
        let occurred_at = self.time()?;
        Ok(Entry { partition, offset, digest, occurred_at, found: Found::Duplicate })
    }

    /// A record that was kept: the digest of its original bytes, taken as the log's are.
    pub(super) fn record(mut self, found: Found) -> Result<Entry, Error> {
        let (partition, offset) = self.place()?;
        let (key, value) = (self.bytes()?, self.bytes()?);
        let (digest, occurred_at) = digest_of_record(offset, key, value);
        Ok(Entry { partition, offset, digest, occurred_at, found })
    }

    fn place(&mut self) -> Result<(i32, i64), Error> {
        let partition = self.fixed()?.ok_or_else(damaged)?;
        let offset = self.fixed()?.ok_or_else(damaged)?;
        Ok((i32::from_be_bytes(partition), i64::from_be_bytes(offset)))
    }

    fn time(&mut self) -> Result<Option<Millis>, Error> {
        let us = self.fixed()?.map(i64::from_be_bytes);
        Ok(us.map(|us| Timestamptz::from_binary(us).0))
    }

    fn text(&mut self) -> Result<Option<&'r str>, Error> {
        let text = self.bytes()?.map(std::str::from_utf8).transpose();
        text.map_err(|_| damaged())
    }

    fn fixed<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Error> {
        let bytes = self.bytes()?;
        bytes.map(|bytes| bytes.try_into().map_err(|_| damaged())).transpose()
    }

    fn bytes(&mut self) -> Result<Option<&'r [u8]>, Error> {
        match usize::try_from(i32::from_be_bytes(self.array()?)) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| damaged())
    }

    fn take(&mut self, count: usize) -> Result<&'r [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn damaged() -> Error {
    Error::Other("Postgres sent a row that is not as COPY writes them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(columns: &[Option<&[u8]>]) -> Vec<u8> {
        let mut message = (columns.len() as i16).to_be_bytes().to_vec();
        for column in columns {
            let length = column.map_or(-1, |bytes| bytes.len() as i32);
            message.extend(length.to_be_bytes());
            message.extend(column.unwrap_or_default());
        }
        message
    }

    #[test]
    fn rows_are_read_up_to_the_last_and_whatever_is_cut_off_is_no_row() {
        let mut first = SIGNATURE.to_vec();
        first.extend([0; 8]);
        let row = message(&[Some(&1_i32.to_be_bytes()), Some(&7_i64.to_be_bytes()), None, None]);
        first.extend(&row);
        let mut rows = Rows::default();
        let letter = rows.row(&first).unwrap().unwrap().record(Found::DeadLetter).unwrap();
        assert_eq!((letter.partition, letter.offset), (1, 7));
        assert_eq!(letter.digest, digest_of_record(7, None, None).0);
        assert!(rows.row(&(-1_i16).to_be_bytes()).unwrap().is_none());
        for cut in 2..row.len() {
            let read = rows.row(&row[..cut]).unwrap().unwrap().record(Found::DeadLetter);
            assert!(read.is_err(), "{cut}");
        }
        assert!(Rows::default().row(b"PGCOPY").is_err());
    }
}

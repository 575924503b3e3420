//! Which rows it is that Postgres refuses: the batch is halved until single events are left, or until
//! neither half is refused without the other. The others go through with the same transaction.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use registry::Freshness;
use tokio_postgres::error::DbError;

use crate::decode::{Cause, Event};
use crate::error::{Class, Error};
use crate::fault::after;
use crate::fold::Key;
use crate::pipeline::{Bad, Pipeline, Undecided};
use crate::quarantine::STRIKES;
use crate::store::Transaction;
use crate::systemic::BadRow;

impl Pipeline {
    /// Adds to `bad` the events without which the batch will hold; at the savepoint, and back there.
    ///
    /// # Errors
    /// [`Error::Systemic`] where it is the table that is at fault, and not the events; `whole`, where
    /// no event alone is refused: that is ours to mend.
    pub(crate) async fn isolate(
        &mut self,
        transaction: &mut Transaction<'_>,
        undecided: &Undecided<'_, '_>,
        whole: Error,
        bad: &mut Bad,
    ) -> Result<(), Error> {
        let before = bad.len();
        // Ranges that are refused as a whole; the first in the log is on top.
        let mut suspects = vec![(0..undecided.events.len(), whole)];
        let mut first = None;
        while let Some((range, error)) = suspects.pop() {
            let (from, until) = (range.start, range.end);
            if until - from <= 1 {
                if let Some(event) = undecided.events.get(from) {
                    self.found(undecided, from, event, &error, bad)?;
                }
                first.get_or_insert(error);
                continue;
            }
            let middle = from + (until - from) / 2;
            let others = suspects.len();
            for half in [middle..until, from..middle] {
                if let Some(error) = self.refused(transaction, undecided, &half, bad).await? {
                    suspects.push((half, error));
                }
            }
            if suspects.len() == others {
                self.isolate_behind(transaction, undecided, range, bad).await?;
            }
            first.get_or_insert(error);
        }
        after("isolated");
        match first {
            // No half of it was refused: the next try of the whole would be, and for ever.
            Some(error) if bad.len() == before => {
                // Nor is it certain of those that were found before.
                self.bad.clear();
                Err(Error::NotIsolated(Box::new(error)))
            }
            _ => Ok(()),
        }
    }

    /// Adds those events of a range to `bad` that are refused only behind others of it: as collisions,
    /// which are rows without the event that has their key. So they are looked for among the events
    /// whose key is there more than once, which are few.
    async fn isolate_behind(
        &mut self,
        transaction: &mut Transaction<'_>,
        undecided: &Undecided<'_, '_>,
        range: Range<usize>,
        bad: &mut Bad,
    ) -> Result<(), Error> {
        let mut of_key: HashMap<Key, usize> = HashMap::new();
        for event in &undecided.events[range.clone()] {
            *of_key.entry(event.key()).or_default() += 1;
        }
        let shares_its_key = |at: &usize| of_key[&undecided.events[*at].key()] > 1;
        let places: Vec<usize> = range.filter(shares_its_key).collect();
        if places.is_empty() {
            return Ok(());
        }
        let events: Vec<Event<'_>> =
            places.iter().map(|at| undecided.events[*at].clone()).collect();
        let part = Undecided { events: &events, ..*undecided };
        while self.refused(transaction, &part, &(0..events.len()), bad).await?.is_some() {
            let (mut through, mut until) = (0, events.len());
            while until - through > 1 {
                let tried = through + (until - through) / 2;
                match self.refused(transaction, &part, &(0..tried), bad).await? {
                    Some(_) => until = tried,
                    None => through = tried,
                }
            }
            // What refused it may have been mended meanwhile: then none is to be given up.
            let refused = self.refused(transaction, &part, &(0..until), bad).await?;
            let Some((error, event)) = refused.zip(events.get(until - 1)) else { break };
            if bad.contains_key(&event.place()) {
                break;
            }
            self.found(undecided, places[until - 1], event, &error, bad)?;
        }
        Ok(())
    }

    /// What Postgres says to a part of a batch, if it refuses that part for one of its rows.
    async fn refused(
        &mut self,
        transaction: &mut Transaction<'_>,
        undecided: &Undecided<'_, '_>,
        part: &Range<usize>,
        bad: &Bad,
    ) -> Result<Option<Error>, Error> {
        let part = Undecided { events: &undecided.events[part.clone()], ..*undecided };
        // Only a try: whatever it writes is taken back.
        let tried = self.decide(transaction, &part, bad, Freshness::Optimistic).await;
        let error = match tried {
            Ok(_) => None,
            Err(error) if error.class() == Class::BadRow => Some(error),
            Err(error) => return Err(error),
        };
        transaction.back_to_the_decision().await?;
        Ok(error)
    }

    /// Takes note of a bad row, and gives up what comes after it of its terminal, if that is faulty.
    fn found(
        &mut self,
        undecided: &Undecided<'_, '_>,
        at: usize,
        event: &Event<'_>,
        error: &Error,
        bad: &mut Bad,
    ) -> Result<(), Error> {
        let said = error.db_error();
        let sqlstate = said.map_or("XX000", |said| said.code().code());
        // Never the detail: it quotes the row, and the card with it.
        let message = said.map_or("no reason given", DbError::message);
        bad.insert(event.place(), Cause::bad_row(sqlstate, &quoting_nothing(message, event)));
        // What stands already needs no row, and says nothing about its terminal.
        let stands = |other: &Event<'_>| other.stands(undecided.standing);
        let of_terminal = |other: &&Event<'_>| other.terminal == event.terminal && !stands(other);
        let mut before = undecided.events[..=at].iter().rev().filter(of_terminal);
        let is_bad = |other: &Event<'_>| bad.contains_key(&other.place());
        let strikes = if self.recent.suspects_the_table() { STRIKES * 10 } else { STRIKES };
        if (0..strikes).all(|_| before.next().is_some_and(is_bad)) {
            // What has its outcome, because it is read again, keeps it.
            let is_new = |other: &&Event<'_>| {
                let place = other.place();
                !undecided.batch.stands(place) || undecided.waiting.waited.contains_key(&place)
            };
            for after in undecided.events[at + 1..].iter().filter(of_terminal).filter(is_new) {
                bad.entry(after.place()).or_insert_with(|| Cause::quarantined(sqlstate));
            }
        }
        // Should this take too long, the next try goes on from here.
        self.bad.clone_from(bad);
        let rows = |event: &Event<'_>| {
            Some(BadRow::new(bad.get(&event.place())?.sqlstate.as_deref()?, event))
        };
        let rows: Vec<BadRow> = undecided.events.iter().filter_map(rows).collect();
        self.must_not_be_systemic(undecided.events.len(), &rows)
    }

    /// Nothing is given up where it is the table that is at fault.
    pub(crate) fn must_not_be_systemic(
        &mut self,
        events: usize,
        rows: &[BadRow],
    ) -> Result<(), Error> {
        let systemic = self.recent.systemic(events, rows, Instant::now());
        let Some(sqlstate) = systemic else { return Ok(()) };
        // Or those that are would not be tried again when it is mended; and while it is, hasty
        // conclusions would be wrong.
        self.bad.clear();
        self.metrics.quarantined.sub(self.quarantine.len() as i64);
        self.quarantine.forget();
        Err(Error::Systemic { sqlstate })
    }
}

/// What Postgres said, without the card, should it name it.
fn quoting_nothing(message: &str, event: &Event<'_>) -> String {
    message.replace(&*event.swipe.card_id, "…")
}

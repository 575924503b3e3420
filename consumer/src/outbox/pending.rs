//! What this process knows of the outbox: which messages, how far each is, and how far the table
//! has been looked through. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use schemas::{Millis, headers};
use uuid::Uuid;

use super::{Entry, Kind, Place};
use crate::chunk::Claim;

/// A row of the table: a place, and since when its message is due there. A later message may take the
/// place while one before it is under way, as a replay does whose lease ran out.
pub(super) type Row = (Place, Millis);

/// A look at dead letters, or at replays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Letters {
    pub(crate) kind: Kind,
    /// Partition and offset behind which to look; from the start where there is none.
    pub(crate) behind: Option<(i32, i64)>,
    /// How many to bring at most, and how many bytes, about.
    pub(crate) max: usize,
    pub(crate) bytes_max: usize,
}

/// Bytes of dead letters, and of replays, that are here at a time, about.
const LETTER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Messages between their commit and the deletion of their rows.
#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: BTreeMap<Place, (Entry, State)>,
    sent: usize,
    acknowledged: Vec<Row>,
    /// By partition.
    swept: HashMap<i32, Swept>,
    /// The last dead letter, and the last replay, that was looked at: so that some that Kafka does
    /// not take keep none behind them from being found.
    letters_at: HashMap<Kind, (i32, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent.
    Waiting,
    /// librdkafka has it.
    Sent,
    /// Kafka has it; its row is still to be deleted.
    Acknowledged,
}

/// How far a partition has been looked through, under one claim.
#[derive(Debug)]
struct Swept {
    owner: Uuid,
    /// Every row before it is, or was, an entry.
    to: i64,
}

/// A look at one partition's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    claim: Claim,
    pub(super) from: i64,
    /// Where the partition's next transaction starts: all before it is committed.
    to: i64,
}

impl Look {
    pub(super) fn partition(&self) -> i32 {
        self.claim.partition
    }
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Messages that librdkafka has.
    pub(super) fn sent_count(&self) -> usize {
        self.sent
    }

    /// Takes in a message that a writer hands over. One that a sweep has found before is left alone:
    /// it may be published and deleted by now. Only one that comes from a lane stands where a sweep
    /// has been before it was written: no sweep finds it, unless the claim is new, and then it may
    /// go out twice.
    pub(super) fn hand_over(&mut self, entry: Entry) {
        let swept = self.swept.get(&entry.place.partition);
        if entry.waited || swept.is_none_or(|swept| entry.place.offset >= swept.to) {
            self.take(entry);
        }
    }

    /// Where to look for dead letters and for replays, of which `max` may be here at a time.
    pub(super) fn look_for_letters(&self, max: usize) -> Vec<Letters> {
        let looks = [Kind::DeadLetter, Kind::Replay].map(|kind| {
            let of_kind = self.entries.iter().filter(|(place, _)| place.kind == kind);
            let (count, bytes) = of_kind
                .fold((0, 0), |(count, bytes), (_, (entry, _))| (count + 1, bytes + entry.bytes()));
            Letters {
                kind,
                behind: self.letters_at.get(&kind).copied(),
                max: max.saturating_sub(count),
                bytes_max: LETTER_BYTES_MAX.saturating_sub(bytes),
            }
        });
        looks.into_iter().filter(|look| look.max > 0 && look.bytes_max > 0).collect()
    }

    /// Takes in dead letters or replays that were found, and says whether there may be more. One that
    /// took the place of another which is still to be sent goes in its stead; behind one that is
    /// under way it is found again later.
    pub(super) fn letters(&mut self, look: &Letters, entries: Vec<Entry>) -> bool {
        let before = self.entries.len();
        let bytes: usize = entries.iter().map(Entry::bytes).sum();
        let is_full = entries.len() >= look.max || bytes >= look.bytes_max;
        // What was read to its end is read from the start next time: what comes behind is not to
        // keep what comes before from being found.
        match entries.last().filter(|_| is_full) {
            Some(last) => {
                self.letters_at.insert(look.kind, (last.place.partition, last.place.offset))
            }
            None => self.letters_at.remove(&look.kind),
        };
        for entry in entries {
            if self.waiting_at(entry.place).is_some_and(|waiting| waiting.since != entry.since) {
                self.entries.remove(&entry.place);
            }
            self.take(entry);
        }
        is_full && self.entries.len() > before
    }

    /// A dead letter that its topic refuses for its size goes without its value: the table has it.
    /// Whether there was one to leave out.
    pub(super) fn omit_value(&mut self, place: Place) -> bool {
        let Some(entry) = self.waiting_at(place) else { return false };
        if place.kind != Kind::DeadLetter || entry.value.take().is_none() {
            return false;
        }
        let omitted = Bytes::from_static(b"value");
        entry.headers.push((Cow::Borrowed(headers::dlq::OMITTED), Some(omitted)));
        true
    }

    /// Everything is to be looked through once more.
    pub(super) fn look_again(&mut self) {
        self.swept.clear();
    }

    /// Messages that are to be sent, in the order of the log.
    pub(super) fn waiting(&self) -> Vec<Place> {
        let waiting = self.entries.iter().filter(|(_, (_, state))| *state == State::Waiting);
        waiting.map(|(place, _)| *place).collect()
    }

    /// One that is to be sent.
    pub(super) fn waiting_at(&mut self, place: Place) -> Option<&mut Entry> {
        let (entry, state) = self.entries.get_mut(&place)?;
        (*state == State::Waiting).then_some(entry)
    }

    /// librdkafka has taken it.
    pub(super) fn sent(&mut self, place: Place) {
        self.turn(place, State::Sent);
    }

    /// It did not get through, and waits again.
    pub(super) fn failed(&mut self, place: Place) {
        self.turn(place, State::Waiting);
    }

    /// Whatever librdkafka had is to be sent again.
    pub(super) fn all_failed(&mut self) {
        for (_, state) in self.entries.values_mut().filter(|(_, state)| *state == State::Sent) {
            *state = State::Waiting;
        }
        self.sent = 0;
    }

    /// Kafka has it; since when it was due.
    pub(super) fn acknowledged(&mut self, place: Place) -> Option<Millis> {
        let since = self.turn(place, State::Acknowledged)?.since;
        self.acknowledged.push((place, since));
        Some(since)
    }

    /// Messages that are acknowledged and whose rows nobody deletes yet.
    pub(super) fn deletable(&self) -> usize {
        self.acknowledged.len()
    }

    /// The first of them, for whoever deletes their rows now.
    pub(super) fn take_deletable(&mut self, max: usize) -> Vec<Row> {
        self.acknowledged.drain(..self.acknowledged.len().min(max)).collect()
    }

    /// Their rows are gone, or not.
    pub(super) fn deleted(&mut self, rows: Vec<Row>, gone: bool) {
        if gone {
            for (place, _) in rows {
                self.entries.remove(&place);
            }
        } else {
            self.acknowledged.extend(rows);
        }
    }

    /// What of the held partitions is to be looked through, which are at these offsets: what was
    /// committed since the last look, or all, where the claim is new. What waits in partitions that are others' now is theirs.
    pub(super) fn looks(&mut self, held: &HashMap<Claim, i64>) -> Vec<Look> {
        let owners: HashMap<i32, Uuid> = held.keys().map(|c| (c.partition, c.owner)).collect();
        self.swept.retain(|partition, swept| owners.get(partition) == Some(&swept.owner));
        self.entries.retain(|place, (_, state)| {
            *state != State::Waiting || owners.contains_key(&place.partition)
        });
        let looks = held.iter().map(|(claim, to)| {
            let from = self.swept.get(&claim.partition).map_or(0, |swept| swept.to);
            Look { claim: *claim, from, to: *to }
        });
        looks.filter(|look| look.from < look.to).collect()
    }

    /// Takes in what was found where `looks` looked, `each_max` rows a partition, and says whether
    /// there may be more.
    pub(super) fn found(&mut self, looks: &[Look], each_max: usize, entries: Vec<Entry>) -> bool {
        let mut counts: HashMap<i32, (usize, i64)> = HashMap::new();
        for entry in entries {
            let (count, last) = counts.entry(entry.place.partition).or_default();
            *count += 1;
            *last = entry.place.offset;
            self.take(entry);
        }
        let mut more = false;
        for Look { claim, to, .. } in looks {
            let behind = counts.get(&claim.partition).map(|(count, last)| (*count, last + 1));
            let to = match behind {
                Some((count, behind)) if count >= each_max => {
                    more = true;
                    behind
                }
                // Rows of a transaction that has been committed since.
                Some((_, behind)) => behind.max(*to),
                None => *to,
            };
            self.swept.insert(claim.partition, Swept { owner: claim.owner, to });
        }
        more
    }

    fn take(&mut self, entry: Entry) {
        self.entries.entry(entry.place).or_insert((entry, State::Waiting));
    }

    fn turn(&mut self, place: Place, to: State) -> Option<&Entry> {
        let (entry, state) = self.entries.get_mut(&place)?;
        self.sent -= usize::from(*state == State::Sent);
        self.sent += usize::from(to == State::Sent);
        *state = to;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use schemas::Millis;

    use super::*;

    fn at(offset: i64) -> Place {
        Place { partition: 0, offset, kind: Kind::Decision }
    }

    fn entry(offset: i64) -> Entry {
        Entry {
            place: at(offset),
            key: None,
            value: None,
            headers: Vec::new(),
            since: Millis::from_unix_ms(0),
            expires_at: None,
            waited: false,
        }
    }

    const ANY: Letters =
        Letters { kind: Kind::DeadLetter, behind: None, max: 10, bytes_max: 1_000 };

    fn letter(offset: i64, value: &'static [u8]) -> Entry {
        let place = Place { kind: Kind::DeadLetter, ..at(offset) };
        Entry { place, value: Some(Bytes::from_static(value)), ..entry(offset) }
    }

    #[test]
    fn letters_that_nobody_takes_keep_none_behind_them_from_being_found() {
        let mut pending = Pending::default();
        let look = pending.look_for_letters(3)[0];
        assert_eq!((look.behind, look.max, look.bytes_max), (None, 3, LETTER_BYTES_MAX));
        assert!(!pending.letters(&look, vec![letter(8, b"x"), letter(9, b"x")]));
        let look = pending.look_for_letters(3)[0];
        assert_eq!((look.behind, look.max), (None, 1), "that was all: from the start again");
        assert_eq!(look.bytes_max, LETTER_BYTES_MAX - 2);
        assert!(pending.letters(&look, vec![letter(3, b"x")]), "there may be more");
        let kinds: Vec<Kind> = pending.look_for_letters(3).iter().map(|look| look.kind).collect();
        assert_eq!(kinds, [Kind::Replay], "no room for more dead letters, but for replays");
        assert_eq!(pending.look_for_letters(4)[0].behind, Some((0, 3)));
        assert!(!pending.letters(&look, Vec::new()));
        assert_eq!(pending.look_for_letters(4)[0].behind, None, "from the start again");
    }

    #[test]
    fn a_letter_that_is_too_large_goes_without_its_value_once() {
        let mut pending = Pending::default();
        pending.letters(&ANY, vec![letter(1, b"large")]);
        let place = Place { kind: Kind::DeadLetter, ..at(1) };
        assert!(pending.omit_value(place) && !pending.omit_value(place));
        let left =
            pending.waiting_at(place).map(|entry| (entry.value.clone(), entry.headers.len()));
        assert_eq!(left, Some((None, 1)));
    }

    fn held(owner: u128, next_offset: i64) -> HashMap<Claim, i64> {
        HashMap::from([(Claim { partition: 0, owner: Uuid::from_u128(owner) }, next_offset)])
    }

    fn offsets(pending: &Pending) -> Vec<i64> {
        pending.waiting().iter().map(|place| place.offset).collect()
    }

    #[test]
    fn what_a_sweep_has_found_is_not_published_again_when_it_is_handed_over() {
        let mut pending = Pending::default();
        let looks = pending.looks(&held(1, 10));
        assert_eq!(looks[0].from, 0);
        // One more than the claim's progress said: committed, and not handed over yet.
        assert!(!pending.found(&looks, 5, vec![entry(3), entry(10)]));
        for offset in [3, 10] {
            let place = at(offset);
            pending.sent(place);
            pending.acknowledged(place);
        }
        let places = pending.take_deletable(10);
        pending.deleted(places, true);
        pending.hand_over(entry(10));
        assert_eq!(pending.len(), 0);
        pending.hand_over(entry(11));
        assert_eq!(offsets(&pending), [11]);
    }

    #[test]
    fn a_letter_that_takes_the_place_of_another_is_neither_lost_nor_sent_for_it() {
        let later = |offset| Entry { since: Millis::from_unix_ms(9), ..entry(offset) };
        let mut pending = Pending::default();
        pending.letters(&ANY, vec![entry(1), entry(2)]);
        pending.sent(at(2));
        pending.letters(&ANY, vec![later(1), later(2)]);
        let since = pending.waiting_at(at(1)).map(|waiting| waiting.since.unix_ms());
        assert_eq!(since, Some(9), "what was still to be sent is the later one");
        pending.acknowledged(at(2));
        let rows = pending.take_deletable(10);
        assert_eq!(rows, [(at(2), Millis::from_unix_ms(0))], "the earlier one's row, if it stands");
        pending.deleted(rows, true);
        pending.letters(&ANY, vec![later(2)]);
        assert!(pending.waiting_at(at(2)).is_some(), "found again, it is sent");
    }

    #[test]
    fn looks_go_on_where_the_last_one_ended_and_start_over_with_a_new_claim() {
        let mut pending = Pending::default();
        let looks = pending.looks(&held(1, 10));
        assert!(pending.found(&looks, 2, vec![entry(3), entry(4)]), "there may be more");
        let looks = pending.looks(&held(1, 10));
        assert_eq!(looks[0].from, 5);
        assert!(!pending.found(&looks, 2, vec![entry(7)]));
        assert!(pending.looks(&held(1, 10)).is_empty(), "nothing was committed since");
        assert_eq!(pending.looks(&held(1, 12))[0].from, 10);
        assert_eq!(pending.looks(&held(2, 12))[0].from, 0);
    }

    #[test]
    fn after_a_lost_reply_what_stands_before_the_last_look_is_found_too() {
        let mut pending = Pending::default();
        let looks = pending.looks(&held(1, 10));
        pending.found(&looks, 5, vec![entry(9)]);
        // From a lane: behind the look, and nobody handed it over.
        pending.look_again();
        let looks = pending.looks(&held(1, 10));
        assert_eq!(looks[0].from, 0);
        pending.found(&looks, 5, vec![entry(3), entry(9)]);
        assert_eq!(offsets(&pending), [3, 9]);
    }

    #[test]
    fn what_fails_waits_in_order_and_what_is_anothers_is_forgotten() {
        let mut pending = Pending::default();
        [entry(2), entry(1), entry(3)].into_iter().for_each(|entry| pending.hand_over(entry));
        [1, 2, 3].into_iter().for_each(|offset| pending.sent(at(offset)));
        assert_eq!((pending.sent_count(), pending.waiting().len()), (3, 0));
        pending.failed(at(3));
        pending.failed(at(1));
        assert!(pending.acknowledged(at(2)).is_some());
        assert_eq!((pending.sent_count(), offsets(&pending)), (0, vec![1, 3]));
        pending.looks(&HashMap::new());
        assert_eq!((pending.len(), pending.deletable()), (1, 1), "that row is still to be deleted");
        let places = pending.take_deletable(10);
        pending.deleted(places, false);
        assert_eq!((pending.len(), pending.deletable()), (1, 1));
    }
}

//! `card_state`: read before a batch is decided, written with it.

use access::{CardTrack, Lock, Visit};
use registry::{Cache, Slot, Timestamptz};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Transaction;
use crate::error::Error;
use crate::tracks::Tracks;

/// The rows of save_tracks.sql, by column: for each card one that says who it is and what it is
/// locked for, then its visits and its denials in their order.
#[derive(Debug, Default)]
struct Columns<'c> {
    cards: Vec<&'c str>,
    kinds: Vec<i32>,
    zones: Vec<Option<&'c str>>,
    inside: Vec<Option<bool>>,
    /// Since when; when it was denied; what it is locked from.
    at: Vec<Option<Timestamptz>>,
    /// When it entered; what it is locked until.
    other: Vec<Option<Timestamptz>>,
}

const CARD: i32 = 0;
const VISIT: i32 = 1;
const DENIAL: i32 = 2;

impl Transaction<'_> {
    /// The tracks of these cards. Only the owner of their partition writes them, so what is read
    /// behind the fence stands until the commit.
    pub(crate) async fn tracks(&self, cards: &[Slot], cache: &mut Cache) -> Result<Tracks, Error> {
        let mut tracks = Tracks::default();
        if cards.is_empty() {
            return Ok(tracks);
        }
        let names: Vec<&str> = cards.iter().map(|card| cache.card_id(*card)).collect();
        let rows = self.inner.query(include_str!("../sql/load_tracks.sql"), &[&names]).await;
        cards.iter().for_each(|card| tracks.put(*card, CardTrack::default()));
        for row in rows.map_err(Error::postgres("reading card_state"))? {
            if let Some(card) = cache.known_card(row.get("card_id")) {
                tracks.put(card, read(&row, cache));
            }
        }
        Ok(tracks)
    }

    /// Writes those that have moved.
    pub(crate) async fn save_tracks(&self, tracks: &Tracks, cache: &Cache) -> Result<(), Error> {
        let mut columns = Columns::default();
        for (card, track) in tracks.moved() {
            columns.add(cache.card_id(card), track, cache);
        }
        if columns.cards.is_empty() {
            return Ok(());
        }
        let Columns { cards, kinds, zones, inside, at, other } = &columns;
        let parameters: [&(dyn ToSql + Sync); 6] = [cards, kinds, zones, inside, at, other];
        let written = self.inner.execute(include_str!("../sql/save_tracks.sql"), &parameters).await;
        written.map_err(Error::postgres("writing card_state"))?;
        Ok(())
    }
}

impl<'c> Columns<'c> {
    fn add(&mut self, card: &'c str, track: &CardTrack, cache: &'c Cache) {
        let time = |at| Some(Timestamptz(at));
        let lock = track.lock();
        let (from, until) = (lock.map(|l| Timestamptz(l.from)), lock.map(|l| Timestamptz(l.until)));
        self.push(card, CARD, None, from, until);
        for visit in track.visits() {
            let zone = Some((cache.zone_id(visit.zone), visit.inside));
            self.push(card, VISIT, zone, time(visit.since), visit.entered_at.map(Timestamptz));
        }
        for denial in track.denials() {
            self.push(card, DENIAL, None, time(*denial), None);
        }
    }

    fn push(
        &mut self,
        card: &'c str,
        kind: i32,
        zone: Option<(&'c str, bool)>,
        at: Option<Timestamptz>,
        other: Option<Timestamptz>,
    ) {
        self.cards.push(card);
        self.kinds.push(kind);
        self.zones.push(zone.map(|(zone_id, _)| zone_id));
        self.inside.push(zone.map(|(_, inside)| inside));
        self.at.push(at);
        self.other.push(other);
    }
}

fn read(row: &Row, cache: &mut Cache) -> CardTrack {
    let zones: Vec<&str> = row.get("zones");
    let inside: Vec<bool> = row.get("inside");
    let since: Vec<Timestamptz> = row.get("since");
    let entered_at: Vec<Option<Timestamptz>> = row.get("entered_at");
    let denied_at: Vec<Timestamptz> = row.get("denied_at");
    let lock = row
        .get::<_, Option<Timestamptz>>("locked_from")
        .zip(row.get::<_, Option<Timestamptz>>("locked_until"))
        .map(|(from, until)| Lock { from: from.0, until: until.0 });
    let visits = zones.into_iter().zip(inside).zip(since).zip(entered_at);
    let visits = visits.map(|(((zone_id, inside), since), entered_at)| Visit {
        zone: cache.zone(zone_id),
        inside,
        since: since.0,
        entered_at: entered_at.map(|at| at.0),
    });
    CardTrack::from_parts(visits, denied_at.into_iter().map(|at| at.0), lock)
}

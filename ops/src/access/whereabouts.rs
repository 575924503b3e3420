use access::{CardTrack, Lock, Visit};
use registry::{Cache, Timestamptz};
use serde::Serialize;
use tokio_postgres::GenericClient;

/// What the log has left of a card's way: zones that it passed, denials that count, a lockout. Only
/// of zones with anti-passback or lockout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Whereabouts {
    /// The one passed last at the end.
    pub(super) zones: Vec<Passed>,
    /// Denials that may still count for a lockout.
    pub(super) denied_at: Vec<Timestamptz>,
    pub(super) locked_from: Option<Timestamptz>,
    pub(super) locked_until: Option<Timestamptz>,
}

/// A zone that the card passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Passed {
    pub(super) zone_id: String,
    /// Whether it went in last, or out.
    pub(super) inside: bool,
    pub(super) since: Timestamptz,
    /// When it went in last, if that is known.
    pub(super) entered_at: Option<Timestamptz>,
}

impl Whereabouts {
    /// What is known of a card; none if it never passed such a zone.
    pub(super) async fn load(
        client: &impl GenericClient,
        card_id: &str,
    ) -> Result<Option<Self>, tokio_postgres::Error> {
        let sql = "SELECT * FROM card_state WHERE card_id = $1";
        let Some(row) = client.query_opt(sql, &[&card_id]).await? else { return Ok(None) };
        let names: Vec<String> = row.try_get("zones")?;
        let inside: Vec<bool> = row.try_get("inside")?;
        let since: Vec<Timestamptz> = row.try_get("since")?;
        let entered_at: Vec<Option<Timestamptz>> = row.try_get("entered_at")?;
        // Of one length, by a CHECK.
        let parts = names.into_iter().zip(inside).zip(since).zip(entered_at);
        let zones = parts.map(|(((zone_id, inside), since), entered_at)| Passed {
            zone_id,
            inside,
            since,
            entered_at,
        });
        Ok(Some(Self {
            zones: zones.collect(),
            denied_at: row.try_get("denied_at")?,
            locked_from: row.try_get("locked_from")?,
            locked_until: row.try_get("locked_until")?,
        }))
    }

    /// The same, as decisions are made from it. Gives its zones their numbers in `cache`.
    pub(super) fn track(&self, cache: &mut Cache) -> CardTrack {
        let visits = self.zones.iter().map(|passed| Visit {
            zone: cache.zone(&passed.zone_id),
            inside: passed.inside,
            since: passed.since.0,
            entered_at: passed.entered_at.map(|at| at.0),
        });
        let visits: Vec<_> = visits.collect();
        let lock = self.locked_from.zip(self.locked_until);
        let lock = lock.map(|(from, until)| Lock { from: from.0, until: until.0 });
        CardTrack::from_parts(visits, self.denied_at.iter().map(|at| at.0), lock)
    }
}

//! What a batch has to say to the doors. Pure.

use schemas::{Decision, DoorCommand, Millis, Outcome, command_id, decision_id, headers};

use super::entry::Header;
use super::{Entry, Kind, Place};
use crate::chunk::last;
use crate::decide::Judged;
use crate::decode::Event;
use crate::error::Error;
use crate::store::Sorted;

/// The decisions on the live swipes of a batch, in the order of the log. Only a new row that is
/// granted has a door command: not a collision, and nothing that was there before.
pub(crate) fn decisions(
    sorted: &Sorted<'_, '_>,
    clock: i64,
    command_ttl_ms: u64,
) -> Result<Vec<Entry>, Error> {
    let rows = sorted.rows.iter().map(|judged| (judged, true));
    let collisions = sorted.collisions.iter().map(|collision| (&collision.judged, false));
    let live = rows.chain(collisions).filter_map(|(judged, is_row)| {
        judged.live_at.map(|at_the_door| (judged, is_row, at_the_door))
    });
    let decided_at = Millis::now();
    let ttl_ms = i64::try_from(command_ttl_ms).unwrap_or(i64::MAX);
    let entries = live.map(|(judged, is_row, since)| {
        let opens = is_row && judged.reasons.is_empty();
        let expires_at = Millis::from_unix_ms(since.unix_ms().saturating_add(ttl_ms));
        entry(judged, clock, decided_at, since, opens.then_some(expires_at))
    });
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_unstable_by_key(|entry| entry.place);
    Ok(entries)
}

fn entry(
    judged: &Judged<'_, '_>,
    clock: i64,
    decided_at: Millis,
    since: Millis,
    expires_at: Option<Millis>,
) -> Result<Entry, Error> {
    let event = judged.event;
    let event_id = event.swipe.event_id;
    let decision = Decision {
        event_id,
        terminal_id: event.swipe.terminal_id.to_string(),
        decision: if judged.reasons.is_empty() { Outcome::Granted } else { Outcome::Denied },
        reasons: judged.reasons.iter().collect(),
        permission_clock: clock,
        decided_at,
        command: expires_at
            .map(|expires_at| DoorCommand { command_id: command_id(event_id), expires_at }),
    };
    let value = serde_json::to_vec(&decision)
        .map_err(|error| Error::Bug(format!("writing a decision: {error}")))?;
    let (partition, offset) = event.place();
    Ok(Entry {
        place: Place { partition, offset, kind: Kind::Decision },
        key: Some(event.swipe.terminal_id.as_bytes().to_vec()),
        value: Some(value),
        headers: headers(&decision, event),
        since,
        expires_at,
        waited: event.record.is_kept(),
    })
}

/// CloudEvents' binary mode, as a swipe has it, and the swipe's trace.
fn headers(decision: &Decision, event: &Event<'_>) -> Vec<Header> {
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    let mut headers = vec![
        header(headers::SPEC_VERSION, headers::SPEC_VERSION_1_0.to_owned()),
        header(headers::ID, decision_id(decision.event_id).to_string()),
        header(headers::SOURCE, decision.terminal_id.clone()),
        header(headers::TYPE, headers::TYPE_DECISION_V1.to_owned()),
        header(headers::TIME, decision.decided_at.to_string()),
        header(headers::CONTENT_TYPE, headers::CONTENT_TYPE_JSON.to_owned()),
    ];
    let of_swipe = event.record.headers().unwrap_or_default();
    let trace = last(&of_swipe, headers::TRACEPARENT).and_then(|v| std::str::from_utf8(v).ok());
    if let Some(trace) = trace.filter(|trace| telemetry::trace::is_valid(trace)) {
        headers.push(header(headers::TRACEPARENT, trace.to_owned()));
    }
    headers
}

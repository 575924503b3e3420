//! `gatelog dlq rebuild`: letters back from the dead letters' topic, which has each with its
//! original bytes and, in its headers, where it came from and why.

use dead_letters::{Action, State};
use schemas::{DeadLetterReason, Millis};
use tokio::sync::mpsc;

use super::letter::{Letter, Says};
use super::put_back::{AT_ONCE, PutBack};
use crate::operator::{self, Run};
use crate::settings::Settings;
use crate::{Error, Verdict, output};

use reader::Sent;

mod reader;
mod record;

/// Letters that wait to be written.
const WAITING_MAX: usize = 64;

/// Runs the command. The answer is no where a record was skipped.
///
/// # Errors
/// Kafka's or Postgres' own.
pub async fn run(settings: &Settings, run: &Run, json: bool) -> Result<Verdict, Error> {
    let mut client = operator::session(&settings.postgres).await?;
    let mut put_back = PutBack::new(&mut client, Action::Rebuild, run).await?;
    let bar = output::bar(0);
    let (sender, mut records) = mpsc::channel(WAITING_MAX);
    let (kafka, topic, drawn) = (settings.kafka.clone(), settings.topic.dlq.clone(), bar.clone());
    // It ends by itself when nobody takes its records any more.
    let reading =
        tokio::task::spawn_blocking(move || reader::read(&kafka, &topic, &sender, &drawn));
    let mut batch = Vec::with_capacity(AT_ONCE);
    while let Some(Sent { place, record }) = records.recv().await {
        match record.and_then(|record| record.letter(put_back.log_id(), &settings.topic.swipes)) {
            Ok(mut letter) => {
                stand(&mut put_back, &mut letter).await?;
                batch.push((place, letter));
            }
            Err(why) => put_back.unreadable(&why, place),
        }
        if batch.len() == AT_ONCE {
            put_back.all(std::mem::take(&mut batch)).await?;
        }
    }
    put_back.all(batch).await?;
    bar.finish_and_clear();
    reading.await??;
    let report = &put_back.report;
    report.print(&format!("topic {}", settings.topic.dlq), json)?;
    Ok(if report.skipped.is_empty() { Verdict::Fine } else { Verdict::No })
}

/// What the topic does not say: how the letter ended. One that is a replay of another failed with
/// it; one whose identity is a row has been applied since; whatever else may be open still.
async fn stand(put_back: &mut PutBack<'_>, letter: &mut Letter) -> Result<(), Error> {
    letter.says = Says::of(letter.original.value());
    let state = if letter.merged_into.is_some() {
        State::Merged
    } else if put_back.is_applied(letter.says.as_ref()).await? {
        State::Superseded
    } else {
        State::Open
    };
    let now = Millis::now();
    state.as_str().clone_into(&mut letter.state);
    letter.settled_at = state.is_settled().then_some(now);
    let heals = DeadLetterReason::ALL
        .into_iter()
        .any(|reason| reason.heals() && reason.as_str() == letter.reason);
    letter.compensate_at = (heals && state == State::Open).then_some(now);
    Ok(())
}

//! `gatelog dlq rebuild`: letters back from the dead letters' topic, which has each with its
//! original bytes and, in its headers, where it came from and why.

use dead_letters::{Action, State};
use schemas::Millis;
use tokio::sync::mpsc;

use super::letter::{Letter, Says};
use super::put_back::PutBack;
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
    let taken = take(&mut records, &settings.topic.swipes, &mut put_back).await;
    // Where we ended early, it would wait for us.
    drop(records);
    bar.finish_and_clear();
    let read = reading.await.map_err(Error::from).and_then(|read| read);
    let read = taken.and(read);
    put_back.end(read, &format!("topic {}", settings.topic.dlq), json).await
}

async fn take(
    records: &mut mpsc::Receiver<Sent>,
    log: &str,
    put_back: &mut PutBack<'_>,
) -> Result<(), Error> {
    while let Some(Sent { place, record }) = records.recv().await {
        match record.and_then(|record| record.letter(put_back.log_id(), log)) {
            Ok(mut letter) => {
                stand(put_back, &mut letter).await?;
                put_back.add(place, letter).await?;
            }
            Err(why) => put_back.unreadable(&why, place),
        }
    }
    Ok(())
}

/// What the topic does not say: how the letter ended. One that is a replay of another failed with
/// it; one whose identity is a row has been applied since; whatever else may be open still.
///
/// None is replayed by itself: an operator may have given it up, or edited it, and nobody knows.
async fn stand(put_back: &PutBack<'_>, letter: &mut Letter) -> Result<(), Error> {
    letter.says = Says::of(letter.original.value());
    let state = if letter.merged_into.is_some() {
        State::Merged
    } else if put_back.is_applied(letter.says.as_ref()).await? {
        State::Superseded
    } else {
        State::Open
    };
    state.as_str().clone_into(&mut letter.state);
    letter.settled_at = state.is_settled().then(Millis::now);
    Ok(())
}

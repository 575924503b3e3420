//! The terminals: each card's swipes one after the other, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schemas::Millis;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ledger::{Acknowledged, Ledger};
use crate::swipes::{Answer, Sender, Swipe};
use crate::troubles::Strangers;

/// Cards in use.
pub(crate) const CARDS: usize = 48;
/// Time between two swipes of a card, in ms: about 190 swipes a second of all cards.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 150..=350;
/// Swipes of one upload of a terminal that was offline.
const BATCH: usize = 20;
/// How long a terminal waits before it sends a swipe again, in ms.
const AGAIN_MS: std::ops::RangeInclusive<u64> = 20..=400;
const DAY_MS: i64 = 86_400_000;
/// Two terminals that read the same cards.
const TERMINALS: [&str; 2] = ["t-hall", "t-hall-2"];

/// The name of a card.
pub(crate) fn card(number: usize) -> String {
    format!("card-{number}")
}

/// All terminals at work; they stop when this is told to, or dropped.
pub(crate) struct Terminals {
    at_work: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Terminals {
    /// Starts a task a card.
    pub(crate) fn start(
        seed: u64,
        sender: &Sender,
        ledger: &Arc<Ledger>,
        strangers: &Strangers,
    ) -> Self {
        let stop = watch::Sender::new(false);
        let mut at_work = JoinSet::new();
        for number in 0..CARDS {
            // Apart from the schedule's own numbers, and different for each card.
            let random = StdRng::seed_from_u64(seed ^ ((number as u64 + 1) << 32));
            let holder = Holder {
                card: card(number),
                random,
                place: 0,
                latest_ms: 0,
                late_ms: 0,
                recent: None,
                sender: sender.clone(),
                ledger: ledger.clone(),
                strangers: strangers.clone(),
            };
            at_work.spawn(holder.swipe_on(stop.subscribe()));
        }
        Self { at_work, stop }
    }

    /// Lets every card finish the swipe at hand.
    ///
    /// # Errors
    /// They don't finish in time.
    pub(crate) async fn stop(mut self, within: Duration) -> Result<()> {
        self.stop.send_replace(true);
        let all = async { while self.at_work.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            anyhow::bail!(
                "{} terminals still wait for an acknowledgement after {} s",
                self.at_work.len(),
                within.as_secs()
            );
        }
        Ok(())
    }
}

/// Whoever holds a card to the terminals.
struct Holder {
    card: String,
    random: StdRng,
    /// Of the next swipe among the card's.
    place: u64,
    /// The card's latest live swipe.
    latest_ms: i64,
    /// The card's latest swipe of a terminal that was offline.
    late_ms: i64,
    /// One that was acknowledged.
    recent: Option<Swipe>,
    sender: Sender,
    ledger: Arc<Ledger>,
    strangers: Strangers,
}

impl Holder {
    async fn swipe_on(mut self, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            match self.random.random_range(0..1_000) {
                0..20 => self.collide().await,
                20..40 => self.send_again().await,
                40..44 => self.upload().await,
                44..60 => self.swipe_at_a_stranger().await,
                _ => self.swipe().await,
            }
            let pause = self.random.random_range(PAUSE_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// One swipe at the door.
    async fn swipe(&mut self) {
        let at = self.next_moment();
        let terminal = TERMINALS[self.random.random_range(0..TERMINALS.len())];
        let swipe = Swipe::live(&self.card, terminal, at, &mut self.random);
        let answer = self.until_acknowledged(&swipe).await;
        let place = self.next_place();
        self.note(&swipe, place, &answer);
        self.recent = Some(swipe);
    }

    /// One swipe at a terminal that nobody has registered yet: it becomes a row all the same, after
    /// those that follow it.
    async fn swipe_at_a_stranger(&mut self) {
        let at = self.next_moment();
        let swipe = Swipe::live(&self.card, &self.strangers.latest(), at, &mut self.random);
        match self.until_acknowledged(&swipe).await {
            Answer::Refused(why) => self.ledger.refuse(why),
            _ => self.ledger.acknowledge(Acknowledged { event_id: swipe.event_id, place: None }),
        }
    }

    /// One card at two terminals in the same millisecond: both under way at once.
    async fn collide(&mut self) {
        let at = self.next_moment();
        let [one, other] =
            TERMINALS.map(|terminal| Swipe::live(&self.card, terminal, at, &mut self.random));
        let mut second = Attempts::new(self);
        let mut first = Attempts::new(self);
        let answers =
            tokio::join!(first.until_acknowledged(&one), second.until_acknowledged(&other));
        let place = self.next_place();
        self.note(&one, place, &answers.0);
        self.note(&other, place, &answers.1);
    }

    /// What was acknowledged is sent again, as by a terminal that lost its memory of it.
    async fn send_again(&mut self) {
        if let Some(swipe) = self.recent.clone() {
            self.until_acknowledged(&swipe).await;
            self.ledger.send_again();
        }
    }

    /// The swipes of a terminal that was offline for days.
    async fn upload(&mut self) {
        if self.late_ms == 0 {
            let days = self.random.random_range(1..=3);
            self.late_ms = Millis::now().unix_ms() - days * DAY_MS;
        }
        let swipes: Vec<Swipe> = (0..BATCH)
            .map(|_| {
                self.late_ms += 1_000;
                let at = Millis::from_unix_ms(self.late_ms);
                Swipe::late(&self.card, TERMINALS[0], at, &mut self.random)
            })
            .collect();
        let mut left = swipes;
        let mut is_whole = true;
        while !left.is_empty() {
            let which = self.random.random_range(0..1_000);
            let answers = self.sender.send_batch(&left, which).await;
            is_whole &= answers.iter().all(|answer| *answer == Answer::Logged);
            let shared = self.place;
            let mut waiting = Vec::new();
            for (swipe, answer) in left.into_iter().zip(answers) {
                if answer == Answer::Again {
                    waiting.push(swipe);
                    continue;
                }
                // Only where all went through at once is the order among them known: Kafka may
                // acknowledge a later line and not an earlier one.
                let place = if is_whole { self.next_place() } else { shared };
                self.note(&swipe, place, &answer);
            }
            left = waiting;
            if !left.is_empty() {
                self.ledger.fail();
                self.wait_a_moment().await;
            }
        }
        self.next_place();
    }

    async fn until_acknowledged(&mut self, swipe: &Swipe) -> Answer {
        Attempts::new(self).until_acknowledged(swipe).await
    }

    fn note(&self, swipe: &Swipe, place: u64, answer: &Answer) {
        let place = match answer {
            Answer::Refused(why) => return self.ledger.refuse(why.clone()),
            Answer::Logged => Some(place),
            _ => None,
        };
        self.ledger.acknowledge(Acknowledged { event_id: swipe.event_id, place });
    }

    /// A millisecond that this card has not used.
    fn next_moment(&mut self) -> Millis {
        self.latest_ms = Millis::now().unix_ms().max(self.latest_ms + 1);
        Millis::from_unix_ms(self.latest_ms)
    }

    fn next_place(&mut self) -> u64 {
        self.place += 1;
        self.place - 1
    }

    async fn wait_a_moment(&mut self) {
        let wait = self.random.random_range(AGAIN_MS);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// The attempts to send one swipe.
struct Attempts {
    random: StdRng,
    sender: Sender,
    ledger: Arc<Ledger>,
}

impl Attempts {
    fn new(holder: &mut Holder) -> Self {
        let random = StdRng::seed_from_u64(holder.random.random());
        Self { random, sender: holder.sender.clone(), ledger: holder.ledger.clone() }
    }

    /// Sends it until a gateway says that it is safe, or that it never will be.
    async fn until_acknowledged(&mut self, swipe: &Swipe) -> Answer {
        loop {
            let which = self.random.random_range(0..1_000);
            match self.sender.send(swipe, which).await {
                Answer::Again => {
                    self.ledger.fail();
                    let wait = self.random.random_range(AGAIN_MS);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                answer => return answer,
            }
        }
    }
}

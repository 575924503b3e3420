//! The reader: one OS thread that polls Kafka, follows the group's assignments and deals chunks of
//! records to the writers.
//!
//! No future per message, no timer: it waits for messages, then takes from each partition in its
//! turn, and hands over what it has. Of the partitions of a writer that falls behind it takes
//! nothing: librdkafka fetches so far ahead, and no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use librdkafka::{Inbox, Message, Trouble};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::assignment::{Assignment, Claiming};
use crate::balance::{Balance, Load, Move};
use crate::claim::Granted;
use crate::claims::Claims;
use crate::error::Error;
use crate::follow::{Ends, Follow, Rebalance};
use crate::metrics::Metrics;
use crate::outlet::Outlets;
use crate::position::{Met, Position};
use crate::turns::{Turn, round};

/// The reader's thread.
pub(crate) struct Reader {
    pub(crate) consumer: &'static BaseConsumer<Follow>,
    /// The messages of all partitions; whatever else Kafka has to say comes from `consumer`.
    pub(crate) inbox: Inbox,
    /// Empty: room for what is taken out of it.
    pub(crate) taken: Vec<Message>,
    pub(crate) topic: String,
    pub(crate) assignment: Assignment,
    pub(crate) outlets: Outlets,
    pub(crate) balance: Balance,
    pub(crate) claims: Arc<Claims>,
    pub(crate) reclaim_after: Duration,
    pub(crate) metrics: Metrics,
    /// Events of all partitions that are not applied yet; for `/readyz`.
    pub(crate) lag: Arc<AtomicI64>,
    /// Whether the group has ever given us an assignment; for `/readyz`.
    pub(crate) assigned: Arc<AtomicBool>,
    pub(crate) stop: watch::Receiver<bool>,
    /// Turns true when the writers have ended.
    pub(crate) writers_done: watch::Receiver<bool>,
    pub(crate) shutdown_timeout: Duration,
    /// When Kafka was last asked for anything but messages.
    pub(crate) heard: Instant,
    /// When the inbox was last opened for all partitions.
    pub(crate) opened: Instant,
    /// When Kafka was last told how far we are.
    pub(crate) hinted: Instant,
    /// When a passing error was last worth a line.
    pub(crate) complained: Option<Instant>,
}

/// How long to wait for a message: how late we hear of anything else when none comes.
const POLL: Duration = Duration::from_millis(20);
/// The same while a writer's queue is full.
const POLL_BLOCKED: Duration = Duration::from_millis(5);
/// The same while events wait in lanes.
const POLL_LANES: Duration = Duration::from_millis(10);
/// How often we look at anything else while messages come.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often Kafka is asked for what is no message: not at each of ten thousand messages a second
/// that come one by one.
const HEAR_EVERY: Duration = Duration::from_millis(10);
/// What is heard of it at once.
const EVENTS_MAX: usize = 16;
/// How often the inbox is opened again.
const OPEN_EVERY: Duration = Duration::from_millis(500);
/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(3);
/// How often the offsets that are done are told to Kafka, as a hint for lag tools.
const HINT_EVERY: Duration = Duration::from_secs(5);
/// How often an outage of Kafka is worth a line in the log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

impl Reader {
    /// Polls until told to stop, then lets the writers finish and leaves the group.
    ///
    /// # Errors
    /// Whatever waiting does not mend.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let outcome = self.follow_the_log();
        self.outlets.close();
        let deadline = Instant::now() + self.shutdown_timeout;
        // Still a member while the last batch is written: the claim is ours until it is done.
        while outcome.is_ok() && !*self.writers_done.borrow() && Instant::now() < deadline {
            drop(self.consumer.poll(POLL_BLOCKED));
        }
        self.hint(CommitMode::Sync);
        info!("leaving the group");
        self.leave(deadline);
        outcome
    }

    /// Says goodbye, so that the others need not wait for a session to run out. The consumer itself
    /// lives as long as the process: records in the writers' hands lie in its memory.
    fn leave(&self, deadline: Instant) {
        if let Err(error) = self.consumer.close_queue() {
            warn!(%error, "leaving the group");
            return;
        }
        let deadline = deadline.max(Instant::now() + LEAVE);
        while !self.consumer.closed() && Instant::now() < deadline {
            drop(self.consumer.poll(POLL_BLOCKED));
        }
    }

    fn follow_the_log(&mut self) -> Result<(), Error> {
        let mut looked = Instant::now();
        while !*self.stop.borrow() {
            let nothing_came = self.take_turns()? == 0;
            if nothing_came || looked.elapsed() > LOOK_EVERY {
                self.outlets.hand_over_all();
                self.go_back()?;
                self.look_around()?;
                looked = Instant::now();
            }
            if nothing_came {
                self.inbox.wait(self.patience());
            }
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        if self.outlets.is_blocked() || self.assignment.positions().any(Position::is_moving) {
            POLL_BLOCKED
        } else if self.claims.may_have_lanes() {
            POLL_LANES
        } else {
            POLL
        }
    }

    /// Everything but messages: rebalances, claims that came or went, writers that caught up.
    fn look_around(&mut self) -> Result<(), Error> {
        if self.heard.elapsed() > HEAR_EVERY {
            self.hear()?;
            self.heard = Instant::now();
        }
        if let Some(ends) = self.consumer.context().take_ends() {
            self.show_lag(&ends);
        }
        if self.hinted.elapsed() > HINT_EVERY {
            self.hint(CommitMode::Async);
            self.hinted = Instant::now();
        }
        if self.consumer.context().lifeline.pull(self.consumer.client()) {
            warn!("no broker is known, or none is reached; trying the bootstrap servers again");
        }
        while let Some(rebalance) = self.consumer.context().pop() {
            match rebalance {
                Rebalance::Assign(partitions) => {
                    info!(?partitions, "assigned; claiming");
                    self.assignment.claim(partitions, Claiming::Assigned);
                }
                Rebalance::Revoke(partitions) => self.revoke(&partitions),
            }
        }
        if self.opened.elapsed() > OPEN_EVERY {
            for partition in self.assignment.partitions() {
                self.inbox.open(&self.topic, partition);
            }
            self.inbox.clear_closed();
            self.opened = Instant::now();
        }
        let due = self.claims.due(self.reclaim_after);
        if !due.is_empty() {
            warn!(partitions = ?due, "claims were lost, but the group assigns them here; claiming again");
            due.iter().for_each(|partition| self.assignment.forget(*partition));
            self.balance.start_over();
            self.assignment.claim(due, Claiming::Again);
        }
        while let Some((claiming, granted)) = self.assignment.granted()? {
            self.start(claiming, &granted)?;
        }
        self.even_out();
        for claim in self.claims.due_lanes() {
            // Its writer, with whatever it gets next; on its way to another, it is asked for later.
            if let Some(position) = self.assignment.position(claim.partition)
                && position.claim == claim
                && !position.is_moving()
            {
                self.outlets.pending(position.writer).push_wake(claim);
            }
        }
        Ok(())
    }

    /// Has a writer that will be done first, or is, take over from one that has too much what makes
    /// them even. Such a partition is not read until all that its writer has of it is committed, and
    /// handed over to the outbox: two batches of one partition at once would meet at the fence, and
    /// decisions leave in the order of the log.
    fn even_out(&mut self) {
        for (partition, writer) in self.assignment.arrived() {
            debug!(partition, writer, "has come to another writer");
            self.outlets.is_given(writer);
            self.balance.start_over();
            if self.claims.may_have_lanes()
                && let Some(position) = self.assignment.position(partition)
            {
                // Its lanes may have been due meanwhile.
                self.claims.lanes_due_in(position.claim, Some(Duration::ZERO));
            }
        }
        let (now, idle) = (Instant::now(), self.outlets.idle());
        if !self.balance.is_due(now) || self.assignment.positions().any(Position::is_moving) {
            return;
        }
        let Some(Move { from, to, partitions }) = self.balance.look(&self.loads(idle), now) else {
            return;
        };
        let to_whom = if idle.is_some() { "idle" } else { "ahead" };
        for partition in partitions {
            let Some(position) = self.assignment.position(partition) else { continue };
            let last = position.move_to(to);
            self.outlets.pending(from).push_last(last);
            self.metrics.partitions_moved.with_label_values(&[to_whom]).inc();
        }
    }

    /// What each writer has before it.
    fn loads(&self, idle: Option<usize>) -> Vec<Load> {
        let committed = self.claims.next_offsets();
        let mut loads = vec![Load::default(); self.outlets.len()];
        for position in self.assignment.positions() {
            let (load, partition) = (&mut loads[position.writer], position.claim.partition);
            let (next, unread) = (committed.get(&partition), position.unread());
            load.read += next.map_or(0, |next| position.read_since(*next));
            load.unread += unread;
            load.is_unknown |= position.end.is_none();
            if position.has_more {
                load.waiting.push((partition, unread));
            }
        }
        self.outlets.blocked().for_each(|writer| loads[writer].is_blocked = true);
        idle.into_iter().for_each(|writer| loads[writer].is_idle = true);
        loads
    }

    /// What Kafka has to say besides messages; `Follow` takes down what is no error.
    fn hear(&mut self) -> Result<(), Error> {
        for _ in 0..EVENTS_MAX {
            match self.consumer.poll(Duration::ZERO) {
                None => {}
                Some(Err(error)) => self.trouble(&error)?,
                Some(Ok(message)) => {
                    // Not by this way: it comes once more by the other.
                    let partition = message.partition();
                    if let Some(offset) = self.assignment.start_over(partition) {
                        self.inbox.open(&self.topic, partition);
                        self.seek(partition, offset)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Events of each partition that are not applied yet. An offset at the end that holds none, such
    /// as the marker of a transaction, is nothing to be behind with: then all that could be fetched
    /// has been, and what was met is applied. What a transaction that is still open holds back is.
    fn show_lag(&mut self, ends: &Ends) {
        let mut total = 0;
        for (partition, next) in self.claims.next_offsets() {
            let Some(ends) = ends.get(&partition) else { continue };
            let mut reached = next;
            if let Some(position) = self.assignment.position(partition) {
                position.end = (ends.ls_offset >= 0).then_some(ends.ls_offset);
                let (here, empty) = (Some((next, ends.ls_offset)), ends.fetchq_cnt == 0);
                let all_met = position.waits_for(next) && ends.next_offset >= ends.ls_offset;
                if all_met && (empty || position.caught_up == here) {
                    position.caught_up = here;
                    reached = next.max(ends.ls_offset);
                }
            }
            let lag = (ends.hi_offset - reached).max(0);
            self.metrics.lag.with_label_values(&[&partition.to_string()]).set(lag);
            total += lag;
        }
        self.lag.store(total, Ordering::Relaxed);
    }

    fn start(&mut self, claiming: Claiming, granted: &[Granted]) -> Result<(), Error> {
        self.balance.start_over();
        let mut list = TopicPartitionList::new();
        for granted in granted {
            let partition = granted.claim.partition;
            let writer = self.assignment.deal(partition, self.outlets.len());
            self.assignment.start(*granted, writer);
            self.outlets.is_given(writer);
            self.claims.hold(granted.claim, granted.progress, granted.has_lanes);
            let next_offset = granted.progress.open.next_offset;
            debug!(partition, next_offset, "claimed");
            list.add_partition_offset(&self.topic, partition, Offset::Offset(next_offset))
                .map_err(Error::kafka("assigning partitions"))?;
        }
        info!(claimed = granted.len(), partitions = self.assignment.len(), "claimed");
        self.metrics.partitions.set(self.assignment.len() as i64);
        match claiming {
            Claiming::Assigned => {
                for granted in granted {
                    self.inbox.open(&self.topic, granted.claim.partition);
                }
                let cooperative =
                    matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
                let assigned = if cooperative {
                    self.consumer.incremental_assign(&list)
                } else {
                    self.consumer.assign(&list)
                };
                assigned.map_err(Error::kafka("assigning partitions"))?;
                self.assigned.store(true, Ordering::Relaxed);
            }
            Claiming::Again => {
                for granted in granted {
                    self.seek(granted.claim.partition, granted.progress.open.next_offset)?;
                }
            }
        }
        Ok(())
    }

    fn revoke(&mut self, partitions: &[i32]) {
        info!(?partitions, "revoked");
        self.balance.start_over();
        for partition in partitions {
            self.assignment.forget(*partition);
            self.assignment.no_longer_wanted(*partition);
            self.inbox.close(*partition);
            self.claims.release(*partition);
            // The gauge of a partition that is somebody else's would stand still for ever.
            drop(self.metrics.lag.remove_label_values(&[&partition.to_string()]));
        }
        self.metrics.partitions.set(self.assignment.len() as i64);
    }

    /// One round: every writer that has room is given something of each of its partitions, or of
    /// those that were left over last time. How many messages there were.
    fn take_turns(&mut self) -> Result<usize, Error> {
        let mut came = 0;
        for writer in 0..self.outlets.len() {
            if self.outlets.round(writer).is_empty() {
                let its_own = |at: &&Position| at.writer == writer && !at.is_moving();
                let positions = self.assignment.positions().filter(its_own);
                let waiting = positions.filter(|at| self.inbox.may_have(at.claim.partition));
                *self.outlets.round(writer) = round(waiting);
            }
            while let Some(Turn { partition, most }) = self.outlets.next(writer, &self.metrics) {
                // It may have been given away since.
                let is_its_own = |at: &mut Position| at.writer == writer && !at.is_moving();
                if self.assignment.position(partition).is_some_and(is_its_own) {
                    came += self.take(partition, most)?;
                }
            }
            // A writer with little to do must not wait for one with much.
            self.outlets.hand_over_if_idle(writer);
        }
        Ok(came)
    }

    /// Takes messages of one partition; how many there were.
    fn take(&mut self, partition: i32, most: usize) -> Result<usize, Error> {
        let mut messages = std::mem::take(&mut self.taken);
        for Trouble { error, partition, said } in self.inbox.take(partition, most, &mut messages) {
            debug!(%error, partition, said, "librdkafka");
            self.trouble(&error)?;
        }
        let came = messages.len();
        if let Some(position) = self.assignment.position(partition) {
            position.has_more = came == most;
        }
        let back = messages.drain(..).find_map(|message| self.meet(message));
        self.taken = messages;
        if let Some(to) = back {
            info!(partition, from = to, "offsets are missing; fetching again");
            // What was taken behind them comes once more.
            self.seek(partition, to)?;
        }
        Ok(came)
    }

    /// Passes a message on, or says where its partition goes back to.
    fn meet(&mut self, message: Message) -> Option<i64> {
        // Messages of a revoked partition still arrive (librdkafka#1359).
        let position = self.assignment.position(message.partition())?;
        let gap = match position.meet(message.offset()) {
            Met::Old | Met::Doubtful => return None,
            Met::GoBack(to) => return Some(to),
            Met::Next(gap) => gap,
        };
        position.reached_ms = message.timestamp_ms();
        let (writer, claim) = (position.writer, position.claim);
        let pending = self.outlets.pending(writer);
        if let Some(gap) = gap {
            let (partition, first, end) = (claim.partition, gap.first, gap.end);
            debug!(partition, first, end, "no events at these offsets");
            pending.push_gap(claim, gap);
        }
        pending.push(claim, message);
        None
    }

    /// Nothing more has come: what was looked at ahead is read once more.
    fn go_back(&mut self) -> Result<(), Error> {
        let inbox = &self.inbox;
        for (partition, to) in self.assignment.go_back(|partition| !inbox.may_have(partition)) {
            info!(partition, from = to, "offsets are missing; fetching again");
            self.seek(partition, to)?;
        }
        Ok(())
    }

    fn seek(&self, partition: i32, offset: i64) -> Result<(), Error> {
        match self.consumer.seek(&self.topic, partition, Offset::Offset(offset), Duration::ZERO) {
            // Not fetched yet, or no longer: the assignment brings its own offset.
            Err(KafkaError::Seek(reason)) => {
                debug!(partition, offset, reason, "seek was not taken");
                Ok(())
            }
            other => other.map_err(Error::kafka("going back in the log")),
        }
    }

    fn hint(&self, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for (partition, next) in self.claims.next_offsets() {
            drop(list.add_partition_offset(&self.topic, partition, Offset::Offset(next)));
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, mode)
        {
            debug!(%error, "the hint for lag tools was not taken");
        }
    }

    /// Errors that `poll` returns: most of them pass, and librdkafka goes on by itself.
    fn trouble(&mut self, error: &KafkaError) -> Result<(), Error> {
        use RDKafkaErrorCode as Code;
        match error {
            KafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                return Err(Error::OffsetOutOfRange(error.to_string()));
            }
            KafkaError::MessageConsumption(Code::BadMessage | Code::BadCompression) => {
                return Err(Error::Kafka {
                    doing: "reading the log: it is damaged",
                    source: error.clone(),
                });
            }
            KafkaError::MessageConsumptionFatal(_)
            | KafkaError::MessageConsumption(
                Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed,
            ) => {
                return Err(Error::Kafka { doing: "reading the log", source: error.clone() });
            }
            passing if self.complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) => {
                warn!(error = %passing, "Kafka: going on when it is back");
                self.complained = Some(Instant::now());
            }
            passing => debug!(error = %passing, "Kafka"),
        }
        Ok(())
    }
}

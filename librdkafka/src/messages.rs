//! Messages of a consumer, taken many at a time.
//!
//! `BaseConsumer::poll` gives one: for each it takes two locks, looks at the clock three times and
//! allocates. Here the partitions' queues flow into one of our own, which is emptied by
//! `rd_kafka_consume_batch_queue`; rebalances, errors of the group and statistics stay on the
//! consumer's own queue, which its `poll` still serves.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;

/// Messages that are taken at once, at most.
const TAKEN_MAX: usize = 512;

/// Where the messages of a consumer's partitions come together.
#[derive(Debug)]
pub struct Inbox {
    queue: NonNull<c::rd_kafka_queue_t>,
    client: *mut c::rd_kafka_t,
}

/// One message, in librdkafka's memory.
///
/// What it says is found once, when it is taken: whoever reads it later need not touch librdkafka's
/// own record of it, which lies elsewhere.
#[derive(Debug)]
pub struct Message {
    native: NonNull<c::rd_kafka_message_t>,
    key: Bytes,
    payload: Bytes,
    offset: i64,
    /// -1 where there is none.
    timestamp_ms: i64,
    partition: i32,
}

/// What went wrong with a partition.
#[derive(Debug)]
pub struct Trouble {
    /// Of what kind it is.
    pub error: KafkaError,
    /// The partition, or -1.
    pub partition: i32,
    /// What librdkafka says about it.
    pub said: String,
}

/// Bytes of a message, which live as long as it; null where it has none.
#[derive(Debug, Clone, Copy)]
struct Bytes {
    at: *const u8,
    length: usize,
}

/// A header as it was sent.
pub type Header<'m> = (&'m [u8], Option<&'m [u8]>);

// SAFETY: librdkafka's queues and messages may be used from any thread (rdkafka.h, "Thread safety").
// What is not safe is to have one message's headers taken apart by two threads at once: see `headers`.
unsafe impl Send for Inbox {}
// SAFETY: as above.
unsafe impl Send for Message {}
// SAFETY: as above; nothing else of a message is ever changed.
unsafe impl Sync for Message {}

impl Inbox {
    /// An inbox without partitions. The consumer lives as long as the process, and so may messages.
    ///
    /// # Errors
    /// librdkafka has made no queue, which should not be.
    pub fn new<C: ConsumerContext>(consumer: &'static BaseConsumer<C>) -> Result<Self, KafkaError> {
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives as long as the process.
        let queue = NonNull::new(unsafe { c::rd_kafka_queue_new(client) });
        queue
            .map(|queue| Self { queue, client })
            .ok_or(KafkaError::ClientCreation("librdkafka made no queue".to_owned()))
    }

    /// From here on messages of these partitions come here. To be called before a partition is
    /// assigned, and again from time to time: librdkafka takes this back when a partition is
    /// unassigned (rd_kafka_toppar_fetch_stop in rdkafka_partition.c), which may be after it was
    /// assigned again. What has come meanwhile waits, and comes here with the next call.
    pub fn collect(&self, topic: &str, partitions: impl IntoIterator<Item = i32>) {
        let Ok(topic) = CString::new(topic) else { return };
        for partition in partitions {
            // SAFETY: client, name and queues are alive; the reference to the partition's queue is
            // given back, and the partition keeps ours (rd_kafka_q_fwd_set0 in rdkafka_queue.c).
            unsafe {
                let of_one =
                    c::rd_kafka_queue_get_partition(self.client, topic.as_ptr(), partition);
                if !of_one.is_null() {
                    c::rd_kafka_queue_forward(of_one, self.queue.as_ptr());
                    c::rd_kafka_queue_destroy(of_one);
                }
            }
        }
    }

    /// Waits up to `timeout` for a message, and appends it and what else is there, 512 at most.
    /// What went wrong with partitions meanwhile is returned: librdkafka goes on by itself.
    pub fn take(&mut self, timeout: Duration, messages: &mut VecDeque<Message>) -> Vec<Trouble> {
        let mut natives = [null_mut(); TAKEN_MAX];
        let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // librdkafka waits until all that was asked for is there: so one is waited for, and no more.
        let mut taken = self.fill(ms, &mut natives[..1]);
        if taken == 1 {
            taken += self.fill(0, &mut natives[1..]);
        }
        let mut troubles = Vec::new();
        for native in natives[..taken].iter().filter_map(|native| NonNull::new(*native)) {
            // SAFETY: taken from the queue just now: it is ours, and whole.
            match unsafe { Message::new(native) } {
                Ok(message) => messages.push_back(message),
                Err(trouble) => troubles.push(trouble),
            }
        }
        troubles
    }

    fn fill(&self, timeout_ms: i32, natives: &mut [*mut c::rd_kafka_message_t]) -> usize {
        // SAFETY: the queue is alive, and there are as many places as it is told.
        let taken = unsafe {
            c::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                timeout_ms,
                natives.as_mut_ptr(),
                natives.len(),
            )
        };
        usize::try_from(taken).unwrap_or_default()
    }
}

impl Message {
    /// Takes a message over, or destroys it where it stands for an error.
    ///
    /// # Safety
    /// It must come from librdkafka, and be nobody else's.
    unsafe fn new(native: NonNull<c::rd_kafka_message_t>) -> Result<Self, Trouble> {
        // SAFETY: the caller owns it; what it points at lives until it is destroyed.
        unsafe {
            let of = native.as_ref();
            let mut kind = c::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            let timestamp_ms = c::rd_kafka_message_timestamp(native.as_ptr(), &raw mut kind);
            let has_one = kind != c::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            let message = Self {
                native,
                key: Bytes { at: of.key.cast(), length: of.key_len },
                payload: Bytes { at: of.payload.cast(), length: of.len },
                offset: of.offset,
                timestamp_ms: if has_one { timestamp_ms } else { -1 },
                partition: of.partition,
            };
            let Some(error) = failed(of.err) else { return Ok(message) };
            let said = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
            Err(Trouble { error, partition: message.partition, said })
        }
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// When it was published, or appended, in ms since 1970; none where it does not say.
    pub fn timestamp_ms(&self) -> Option<i64> {
        (self.timestamp_ms != -1).then_some(self.timestamp_ms)
    }

    /// Its key; none is not the same as empty.
    pub fn key(&self) -> Option<&[u8]> {
        self.bytes(self.key)
    }

    /// Its value, likewise.
    pub fn payload(&self) -> Option<&[u8]> {
        self.bytes(self.payload)
    }

    fn bytes(&self, bytes: Bytes) -> Option<&[u8]> {
        // SAFETY: they were found in this message, and live until it is destroyed; nobody changes
        // them. An empty slice needs an address as well, which librdkafka gives it.
        (!bytes.at.is_null()).then(|| unsafe { std::slice::from_raw_parts(bytes.at, bytes.length) })
    }

    /// Its headers, in order, at most so many; none where they cannot be read, or are more.
    ///
    /// librdkafka takes them apart at the first call, which costs as much as all else that is done
    /// with a message.
    pub fn headers(&self, most: usize) -> Option<Vec<Header<'_>>> {
        /// What is taken apart is kept in the message.
        static TAKING_APART: Mutex<()> = Mutex::new(());
        let _alone = TAKING_APART.lock().unwrap_or_else(PoisonError::into_inner);
        let mut headers = null_mut();
        // SAFETY: the message is alive, and nobody else takes its headers apart.
        match unsafe { c::rd_kafka_message_headers(self.native.as_ptr(), &raw mut headers) } {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__NOENT => return Some(Vec::new()),
            _ => return None,
        }
        // SAFETY: they belong to the message, and live as long.
        let count = unsafe { c::rd_kafka_header_cnt(headers) };
        if count > most {
            return None;
        }
        (0..count).map(|at| self.header(headers, at)).collect()
    }

    fn header(&self, headers: *const c::rd_kafka_headers_t, at: usize) -> Option<Header<'_>> {
        let (mut name, mut value, mut length) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the headers belong to this message; what is found lives as long as they (rdkafka.h:
        // "the returned pointers are only valid until the headers are modified or destroyed"), and a
        // name ends with a null byte.
        unsafe {
            let found = c::rd_kafka_header_get_all(
                headers,
                at,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            );
            if failed(found).is_some() || name.is_null() {
                return None;
            }
            let name = CStr::from_ptr(name).to_bytes();
            Some((name, self.bytes(Bytes { at: value.cast(), length })))
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed here alone; partitions keep it as long as they need it.
        unsafe { c::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: ours alone, destroyed here alone.
        unsafe { c::rd_kafka_message_destroy(self.native.as_ptr()) }
    }
}

fn failed(code: RDKafkaRespErr) -> Option<KafkaError> {
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => None,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__FATAL => {
            Some(KafkaError::MessageConsumptionFatal(code.into()))
        }
        other => Some(KafkaError::MessageConsumption(other.into())),
    }
}

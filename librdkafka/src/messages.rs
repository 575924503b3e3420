//! Messages of a consumer, partition by partition and many at a time.
//!
//! `BaseConsumer::poll` gives one, of whichever partition: for each it takes two locks, looks at the
//! clock three times and allocates. Here each partition keeps a queue of its own, from which
//! `rd_kafka_consume_batch_queue` takes; so whoever reads also says which partition comes next, and
//! what is not taken is not fetched ahead without end: librdkafka's bounds hold for each. Rebalances,
//! errors of the group and statistics stay on the consumer's own queue, which its `poll` still serves.

use std::ffi::{CStr, CString, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;

/// Messages that are taken at once, at most.
const TAKEN_MAX: usize = 256;
/// So many times that is thrown away in one go of a partition that was given back.
const CLEARED_MAX: usize = 64;

/// The messages of a consumer's partitions.
#[derive(Debug)]
pub struct Inbox {
    client: *mut c::rd_kafka_t,
    /// By partition.
    boxes: Vec<Option<Letterbox>>,
    bell: &'static Bell,
}

/// The messages of one partition.
#[derive(Debug)]
struct Letterbox {
    queue: NonNull<c::rd_kafka_queue_t>,
    flag: &'static Flag,
    /// Whether the partition was given back: what comes for it nevertheless is nobody's.
    closed: bool,
}

/// Whether there may be messages of a partition; librdkafka raises it when its queue was empty and
/// is no longer.
#[derive(Debug)]
struct Flag {
    raised: AtomicBool,
    bell: &'static Bell,
}

/// Rung when any flag is raised.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    waiting: Condvar,
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
    pub fn new<C: ConsumerContext>(consumer: &'static BaseConsumer<C>) -> Self {
        let bell = Box::leak(Box::default());
        Self { client: consumer.client().native_ptr(), boxes: Vec::new(), bell }
    }

    /// From here on messages of this partition come here. To be called before it is assigned, or what
    /// was fetched meanwhile comes by `poll`; and again from time to time, in case librdkafka has
    /// made another queue for it.
    pub fn open(&mut self, topic: &str, partition: i32) {
        let (Ok(at), Ok(topic)) = (usize::try_from(partition), CString::new(topic)) else { return };
        if self.boxes.len() <= at {
            self.boxes.resize_with(at + 1, || None);
        }
        // SAFETY: the client lives as long as the process.
        let queue =
            unsafe { c::rd_kafka_queue_get_partition(self.client, topic.as_ptr(), partition) };
        let Some(queue) = NonNull::new(queue) else { return };
        // One a partition and process: librdkafka may call with it as long as the process lives.
        let new_flag = || &*Box::leak(Box::new(Flag { raised: false.into(), bell: self.bell }));
        let flag = self.boxes[at].as_ref().map_or_else(new_flag, |opened| opened.flag);
        // SAFETY: the queue is alive, and the flag for ever. That a partition's queue flows nowhere
        // else is kept by librdkafka once an application has said so (RD_KAFKA_Q_F_FWD_APP in
        // rdkafka_queue.h): it only takes back where it flows to.
        unsafe {
            c::rd_kafka_queue_forward(queue.as_ptr(), null_mut());
            let opaque = std::ptr::from_ref(flag).cast_mut().cast();
            c::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(raise), opaque);
        }
        self.boxes[at] = Some(Letterbox { queue, flag, closed: false });
        // What came before the flag was there.
        flag.raise();
    }

    /// A partition was given back: librdkafka keeps what it had fetched of it, and a response that was
    /// under way, until somebody takes it. Nobody will, so it goes.
    pub fn close(&mut self, partition: i32) {
        let at = usize::try_from(partition).ok();
        if let Some(Some(letterbox)) = at.and_then(|at| self.boxes.get_mut(at)) {
            letterbox.closed = true;
        }
        self.clear(partition);
    }

    /// Throws away what has come since for partitions that were given back.
    pub fn clear_closed(&mut self) {
        // As many as a topic has partitions.
        for partition in 0..self.boxes.len() as i32 {
            if self.of(partition).is_some_and(|of| of.closed) {
                self.clear(partition);
            }
        }
    }

    fn clear(&mut self, partition: i32) {
        let mut messages = Vec::new();
        for _ in 0..CLEARED_MAX {
            if !self.may_have(partition) {
                break;
            }
            drop(self.take(partition, TAKEN_MAX, &mut messages));
            messages.clear();
        }
    }

    /// Waits up to `timeout` for a message of any partition that had none.
    pub fn wait(&self, timeout: Duration) {
        let mut rung = self.bell.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung {
            let waited = self.bell.waiting.wait_timeout(rung, timeout);
            rung = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
    }

    /// Whether there may be messages of a partition.
    pub fn may_have(&self, partition: i32) -> bool {
        self.of(partition).is_some_and(|of| of.flag.raised.load(Ordering::Acquire))
    }

    /// Appends messages of a partition that are there, so many and 256 at most. What went wrong with
    /// it meanwhile is returned: librdkafka goes on by itself.
    pub fn take(
        &mut self,
        partition: i32,
        most: usize,
        messages: &mut Vec<Message>,
    ) -> Vec<Trouble> {
        let Some(Letterbox { queue, flag, .. }) = self.of(partition) else { return Vec::new() };
        let mut natives = [null_mut(); TAKEN_MAX];
        let most = most.min(TAKEN_MAX);
        // Lowered before: what comes from here on is taken, or raises it.
        flag.raised.store(false, Ordering::SeqCst);
        // SAFETY: the queue is alive, and there are as many places as it is told.
        let taken = unsafe {
            c::rd_kafka_consume_batch_queue(queue.as_ptr(), 0, natives.as_mut_ptr(), most)
        };
        let taken = usize::try_from(taken).unwrap_or_default();
        if taken == most {
            flag.raised.store(true, Ordering::Release);
        }
        let mut troubles = Vec::new();
        for native in natives[..taken].iter().filter_map(|native| NonNull::new(*native)) {
            // SAFETY: taken from the queue just now: it is ours, and whole.
            match unsafe { Message::new(native) } {
                Ok(message) => messages.push(message),
                Err(trouble) => troubles.push(trouble),
            }
        }
        troubles
    }

    fn of(&self, partition: i32) -> Option<&Letterbox> {
        self.boxes.get(usize::try_from(partition).ok()?)?.as_ref()
    }
}

impl Flag {
    fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        *self.bell.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.waiting.notify_one();
    }
}

/// Called by librdkafka, with the queue locked, when it was empty and is no longer.
unsafe extern "C" fn raise(_: *mut c::rd_kafka_t, flag: *mut c_void) {
    // SAFETY: given in `Inbox::open`, and never freed.
    unsafe { &*flag.cast::<Flag>() }.raise();
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

impl Drop for Letterbox {
    fn drop(&mut self) {
        // SAFETY: a reference that we were given, given back here alone.
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

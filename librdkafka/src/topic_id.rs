//! Kafka's own id of a topic (KIP-516), which tells a topic from another one of the same name that
//! was made after the first was deleted.
//!
//! librdkafka knows it (`DescribeTopics`, since 2.3).

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

/// The id of `topic` in Kafka's own spelling (22 characters of base64url), asked from any broker;
/// none where the broker keeps none (before Kafka 2.8). Blocks for up to `timeout`.
///
/// # Errors
/// [`KafkaError::MetadataFetch`] with the broker's or librdkafka's code: no such topic, time out, not
/// authorised to describe it.
pub fn fetch<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<String>, KafkaError> {
    let invalid = || KafkaError::MetadataFetch(RDKafkaErrorCode::InvalidTopic);
    let name = CString::new(topic).map_err(|_| invalid())?;
    let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let request = Request::new(client.native_ptr(), &name, ms)?;
    let event = request.answer(ms)?;
    let topic_id = event.topic_id().ok_or_else(invalid)??;
    Ok((topic_id != ZERO).then_some(topic_id))
}

/// The id that is none.
const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// What one question needs; freed together.
struct Request {
    queue: NonNull<c::rd_kafka_queue_t>,
}

/// The answer, which owns all that is read out of it.
struct Event(NonNull<c::rd_kafka_event_t>);

impl Request {
    fn new(client: *mut c::rd_kafka_t, topic: &CStr, ms: i32) -> Result<Self, KafkaError> {
        let mut names = [topic.as_ptr()];
        // SAFETY: `client` lives as long as the caller's borrow of it; what is made here is destroyed
        // once. librdkafka never returns null from these constructors (rdkafka.h: they abort when
        // there is no memory), except for options of an operation it does not know: those may be null
        // wherever options are taken, and are checked before they are touched. It copies the names, the
        // collection and the options (rdkafka.h: "the application may destroy them" after the call).
        unsafe {
            let queue = NonNull::new(c::rd_kafka_queue_new(client))
                .ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::Fail))?;
            let topics = c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
            let kind = c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
            let options = c::rd_kafka_AdminOptions_new(client, kind);
            let mut why = [0; 256];
            // A timeout it does not take leaves its own default of 60 s: our wait ends before it.
            if !options.is_null() {
                let (why, size) = (why.as_mut_ptr(), why.len());
                c::rd_kafka_AdminOptions_set_request_timeout(options, ms, why, size);
            }
            c::rd_kafka_DescribeTopics(client, topics, options, queue.as_ptr());
            if !options.is_null() {
                c::rd_kafka_AdminOptions_destroy(options);
            }
            c::rd_kafka_TopicCollection_destroy(topics);
            Ok(Self { queue })
        }
    }

    fn answer(&self, ms: i32) -> Result<Event, KafkaError> {
        // SAFETY: the queue lives until `self` is dropped; an event is ours to destroy.
        let event =
            unsafe { c::rd_kafka_queue_poll(self.queue.as_ptr(), ms.saturating_add(1_000)) };
        let event = NonNull::new(event)
            .ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut))?;
        Ok(Event(event))
    }
}

impl Event {
    /// None where the answer holds no topic.
    fn topic_id(&self) -> Option<Result<String, KafkaError>> {
        // SAFETY: all that is read belongs to the event, which lives as long as `self`; what may be
        // null is checked, and the text is copied out.
        unsafe {
            if let Some(error) = failed(c::rd_kafka_event_error(self.0.as_ptr())) {
                return Some(Err(error));
            }
            let result = c::rd_kafka_event_DescribeTopics_result(self.0.as_ptr());
            if result.is_null() {
                return None;
            }
            let mut count = 0;
            let topics = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            if topics.is_null() || count == 0 {
                return None;
            }
            let topic = *topics;
            if let Some(error) =
                failed(c::rd_kafka_error_code(c::rd_kafka_TopicDescription_error(topic)))
            {
                return Some(Err(error));
            }
            let id = c::rd_kafka_Uuid_base64str(c::rd_kafka_TopicDescription_topic_id(topic));
            if id.is_null() {
                return None;
            }
            Some(Ok(CStr::from_ptr(id).to_string_lossy().into_owned()))
        }
    }
}

fn failed(code: RDKafkaRespErr) -> Option<KafkaError> {
    (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
        .then(|| KafkaError::MetadataFetch(code.into()))
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed here alone.
        unsafe { c::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: taken from the queue, destroyed here alone.
        unsafe { c::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

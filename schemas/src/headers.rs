//! Names of the record and HTTP headers: here, and nowhere else.

/// CloudEvents version header of the binary content mode for Kafka.
pub const SPEC_VERSION: &str = "ce_specversion";
/// The CloudEvents version this log speaks.
pub const SPEC_VERSION_1_0: &str = "1.0";
/// The event's id: equal to `event_id` in the value and to the idempotency key.
pub const ID: &str = "ce_id";
/// The terminal.
pub const SOURCE: &str = "ce_source";
/// Type and schema version of the value.
pub const TYPE: &str = "ce_type";
/// `ce_type` of a swipe.
pub const TYPE_SWIPE_V1: &str = "gatelog.swipe.v1";
/// `ce_type` of a decision.
pub const TYPE_DECISION_V1: &str = "gatelog.decision.v1";
/// When it happened.
pub const TIME: &str = "ce_time";
/// Media type of the value.
pub const CONTENT_TYPE: &str = "content-type";
/// The media type that all our values have.
pub const CONTENT_TYPE_JSON: &str = "application/json";
/// W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// RFC 3339 moment after which trying again is of no use.
pub const DEADLINE: &str = "gatelog-deadline";
/// How many times this event has been replayed. An event that has it never opens a door.
pub const REPLAY: &str = "gatelog-replay";

/// The headers that a swipe's record has, or may have.
pub const OF_A_SWIPE: [&str; 9] =
    [SPEC_VERSION, ID, SOURCE, TYPE, TIME, CONTENT_TYPE, TRACEPARENT, DEADLINE, REPLAY];

/// The idempotency key's header in HTTP.
pub const HTTP_KEY: &str = "x-idempotency-key";
/// Its name in the IETF draft (draft-ietf-httpapi-idempotency-key-header).
pub const HTTP_KEY_IETF: &str = "idempotency-key";

/// Where a dead letter came from and why: the names of KIP-1191.
pub mod dlq {
    /// Topic of the original record.
    pub const TOPIC: &str = "__dlq.errors.topic";
    /// Partition of the original record.
    pub const PARTITION: &str = "__dlq.errors.partition";
    /// Offset of the original record.
    pub const OFFSET: &str = "__dlq.errors.offset";
    /// Consumer group that gave it up.
    pub const GROUP: &str = "__dlq.errors.group";
    /// How many times it was tried.
    pub const DELIVERY_COUNT: &str = "__dlq.errors.delivery.count";
    /// What went wrong, in words.
    pub const MESSAGE: &str = "__dlq.errors.message";
    /// The dead letter's id.
    pub const ID: &str = "gatelog-dlq-id";
    /// Step of the consumer that failed.
    pub const STAGE: &str = "gatelog-dlq-stage";
    /// Cause, from a closed list.
    pub const REASON: &str = "gatelog-dlq-reason";
    /// How many times it had been replayed before.
    pub const REPLAY_COUNT: &str = "gatelog-dlq-replay-count";
    /// Of a replay: the version that its dead letter got with it. Only while the letter still has it
    /// does the replay settle the letter.
    pub const VERSION: &str = "gatelog-dlq-version";
    /// What of the original the record leaves out because of its size; the table has it.
    pub const OMITTED: &str = "gatelog-dlq-omitted";
}

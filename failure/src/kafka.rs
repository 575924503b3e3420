//! Kafka: by librdkafka's code, which is the broker's error code or, below zero, its own.

use rdkafka::types::RDKafkaErrorCode;

use crate::Class;

/// Class of a code: what passes by itself is an outage, also where it is a group or a leader that
/// is being found anew; what waiting does not mend is a bug.
///
/// A code that an error carries as fatal (`KafkaError::MessageConsumptionFatal`) is a bug whatever
/// it is: that client is done for.
pub fn of_kafka(code: RDKafkaErrorCode) -> Class {
    known(code).unwrap_or(Class::Bug)
}

/// Every code, so that a new one is thought about: a test fails where one is left out.
fn known(code: RDKafkaErrorCode) -> Option<Class> {
    let class = local(code).or_else(|| of_broker(code)).or_else(|| of_group(code));
    class.or_else(|| of_producer(code)).or_else(|| of_administration(code))
}

/// What librdkafka says by itself.
fn local(code: RDKafkaErrorCode) -> Option<Class> {
    use RDKafkaErrorCode as Code;
    let class = match code {
        // The network, a name server, brokers that are not there; and what is nobody's fault in
        // particular, as librdkafka has no code for it.
        Code::BrokerTransportFailure
        | Code::Resolve
        | Code::AllBrokersDown
        | Code::UnknownBroker
        | Code::RebootstrapRequired
        | Code::NodeUpdate
        | Code::Fail => Class::Outage,
        // Too slow: the broker, or the queue to it.
        Code::MessageTimedOut
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::ISRInsufficient
        | Code::QueueFull => Class::Outage,
        // Who we are is not believed: a secret that is being rotated, or a broker that has not
        // loaded it yet. As with Postgres' 28*.
        Code::SSL | Code::Authentication => Class::Outage,
        // This machine is out of memory, threads or disk.
        Code::CriticalSystemResource | Code::FileSystem => Class::Outage,
        // The client is being closed, or its queue was emptied: another one does it.
        Code::BrokerDestroy | Code::DestroyBroker | Code::PurgeQueue | Code::PurgeInflight => {
            Class::Outage
        }
        // Under way, or overtaken by another of the kind.
        Code::WaitingForCoordinator
        | Code::WaitCache
        | Code::InProgress
        | Code::PreviousInProgress
        | Code::Outdated
        | Code::Interrupted
        | Code::Partial
        | Code::Retry => Class::Outage,
        // Nothing there yet, which is no failure.
        Code::PartitionEOF | Code::NoOffset | Code::Noop => Class::Outage,
        // No such topic, or no such partition of it: until `gatelog setup` has been run, or until
        // the brokers have told each other.
        Code::UnknownTopic | Code::UnknownPartition => Class::Outage,
        // The group moves on, and this member joins it again.
        Code::AssignPartitions
        | Code::RevokePartitions
        | Code::AssignmentLost
        | Code::PollExceeded => Class::Outage,
        // Another record of its batch was refused: without that one it goes.
        Code::InvalidDifferentRecord => Class::Outage,
        // What lies in the log, or came of it, cannot be read. Skipping it would lose events.
        Code::BadMessage | Code::BadCompression | Code::Underflow => Class::Bug,
        // What was to be read is no longer there: a loss that an operator must accept.
        Code::AutoOffsetReset | Code::LogTruncation => Class::Bug,
        // The client is done for; another one must be made.
        Code::Fatal | Code::Fenced | Code::GaplessGuarantee | Code::Inconsistent => Class::Bug,
        // Called wrongly, or set up for something else.
        Code::InvalidArgument
        | Code::InvalidType
        | Code::ExistingSubscription
        | Code::Conflict
        | Code::State
        | Code::UnknownProtocol
        | Code::UnknownGroup
        | Code::NotImplemented
        | Code::NotConfigured
        | Code::UnsupportedFeature
        | Code::ReadOnly
        | Code::NoEnt
        | Code::Application => Class::Bug,
        // Serializers, which the C client does not have.
        Code::KeySerialization
        | Code::ValueSerialization
        | Code::KeyDeserialization
        | Code::ValueDeserialization => Class::Bug,
        _ => return None,
    };
    Some(class)
}

/// What a broker says to anybody: leaders and disks, requests and rights.
fn of_broker(code: RDKafkaErrorCode) -> Option<Class> {
    use RDKafkaErrorCode as Code;
    let class = match code {
        // Another broker leads, or will in a moment; or not enough of them are there.
        Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::PreferredLeaderNotAvailable
        | Code::EligibleLeadersNotAvailable
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::OffsetNotAvailable
        | Code::ListenerNotFound
        | Code::NotController
        | Code::StaleControllerEpoch
        | Code::StaleBrokerEpoch => Class::Outage,
        // As `UnknownTopic`. That a topic was made anew under the same name is found out by its id.
        Code::UnknownTopicOrPartition | Code::UnknownTopicId => Class::Outage,
        // Cut off, too slow, too much, or a disk.
        Code::RequestTimedOut
        | Code::NetworkException
        | Code::ThrottlingQuotaExceeded
        | Code::KafkaStorageError
        | Code::LogDirNotFound => Class::Outage,
        // The broker failed and does not know at what: its trouble, not ours and no event's.
        Code::Unknown => Class::Outage,
        // As `Authentication`.
        Code::SaslAuthenticationFailed => Class::Outage,
        // The client asks for a new session by itself: of fetches, and of telemetry.
        Code::FetchSessionIdNotFound
        | Code::InvalidFetchSessionEpoch
        | Code::UnknownSubscriptionId
        | Code::TelemetryTooLarge => Class::Outage,
        // As `AutoOffsetReset`.
        Code::OffsetOutOfRange => Class::Bug,
        // Somebody must grant it; what depends on it must not look alive meanwhile.
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::DelegationTokenAuthorizationFailed => Class::Bug,
        // Set up for another mechanism, or tokens that nobody renews.
        Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SecurityDisabled
        | Code::DelegationTokenAuthDisabled
        | Code::DelegationTokenNotFound
        | Code::DelegationTokenOwnerMismatch
        | Code::DelegationTokenRequestNotAllowed
        | Code::DelegationTokenExpired
        | Code::InvalidPrincipalType
        | Code::PrincipalDeserializationFailure
        | Code::UnacceptableCredential => Class::Bug,
        // Requests that this broker does not understand or take.
        Code::InvalidRequest
        | Code::UnsupportedVersion
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::InvalidMessageSize
        | Code::InvalidTopic => Class::Bug,
        // Asked about no error at all.
        Code::NoError => Class::Bug,
        _ => return None,
    };
    Some(class)
}

/// What a group's coordinator says.
fn of_group(code: RDKafkaErrorCode) -> Option<Class> {
    use RDKafkaErrorCode as Code;
    let class = match code {
        // The coordinator moves, or reads what it coordinates.
        Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::UnstableOffsetCommit => Class::Outage,
        // The group goes on without us: this member joins it again.
        Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::RebalanceInProgress
        | Code::MemberIdRequired
        | Code::FencedMemberEpoch
        | Code::StaleMemberEpoch => Class::Outage,
        // Until another member has left.
        Code::GroupMaxSizeReached
        | Code::UnreleasedInstanceId
        | Code::NonEmptyGroup
        | Code::GroupSubscribedToTopic => Class::Outage,
        // Another process has our name: one of us must stop.
        Code::FencedInstanceId => Class::Bug,
        // Members that are set up differently, or as the brokers do not allow.
        Code::InconsistentGroupProtocol
        | Code::UnsupportedAssignor
        | Code::InvalidGroupId
        | Code::InvalidSessionTimeout
        | Code::OffsetMetadataTooLarge
        | Code::InvalidCommitOffsetSize
        | Code::GroupIdNotFound => Class::Bug,
        _ => return None,
    };
    Some(class)
}

/// What a broker says to whoever writes.
fn of_producer(code: RDKafkaErrorCode) -> Option<Class> {
    use RDKafkaErrorCode as Code;
    let class = match code {
        // This record will never be taken, others are. A damaged one (`InvalidMessage`) librdkafka
        // has sent again already, so it was not the network that damaged it.
        Code::MessageSizeTooLarge
        | Code::InvalidMessage
        | Code::InvalidRecord
        | Code::InvalidTimestamp => Class::BadRow,
        // Transactions' coordinators.
        Code::ConcurrentTransactions | Code::TransactionCoordinatorFenced => Class::Outage,
        // The producer's sequence is broken: another one must be made.
        Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::UnknownProducerId
        | Code::ProducerFenced
        | Code::InvalidTransactionalState => Class::Bug,
        // Settings of ours against the broker's: acks, batch against segment, timeout.
        Code::InvalidRequiredAcks
        | Code::MessageBatchTooLarge
        | Code::InvalidTransactionTimeout => Class::Bug,
        _ => return None,
    };
    Some(class)
}

/// What a broker says to whoever sets it up.
fn of_administration(code: RDKafkaErrorCode) -> Option<Class> {
    use RDKafkaErrorCode as Code;
    let class = match code {
        // Something else is done first.
        Code::OperationNotAttempted | Code::ReassignmentInProgress => Class::Outage,
        // What was asked for is not allowed, makes no sense, or is there already.
        Code::TopicAlreadyExists
        | Code::TopicDeletionDisabled
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidReplicaAssignment
        | Code::InvalidConfig
        | Code::PolicyViolation
        | Code::ElectionNotNeeded
        | Code::NoReassignmentInProgress
        | Code::ResourceNotFound
        | Code::DuplicateResource
        | Code::InconsistentVoterSet
        | Code::InvalidUpdateVersion
        | Code::FeatureUpdateFailed => Class::Bug,
        _ => return None,
    };
    Some(class)
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaErrorCode as Code;
    use rdkafka::types::RDKafkaRespErr;

    use super::*;

    /// Every code that this librdkafka has, less the marks of where they begin and end.
    fn codes() -> Vec<Code> {
        let marks = [Code::Begin, Code::End, Code::EndAll];
        let all = (-1_000..10_000).filter_map(|code| RDKafkaRespErr::try_from(code).ok());
        all.map(Code::from).filter(|code| !marks.contains(code)).collect()
    }

    #[test]
    fn no_code_is_classified_by_accident() {
        let codes = codes();
        assert!(codes.len() > 150, "{} codes", codes.len());
        let kinds = [local, of_broker, of_group, of_producer, of_administration];
        for code in codes {
            let deciding = kinds.iter().filter(|kind| kind(code).is_some()).count();
            assert_eq!(deciding, 1, "{code:?} ({}) must be decided on, once", code as i32);
        }
    }

    #[test]
    fn by_code() {
        let table: [(&[Code], Class); 3] = [
            (
                &[
                    Code::BrokerTransportFailure,
                    Code::AllBrokersDown,
                    Code::Resolve,
                    Code::MessageTimedOut,
                    Code::RequestTimedOut,
                    Code::QueueFull,
                    Code::NotLeaderForPartition,
                    Code::NotEnoughReplicas,
                    Code::KafkaStorageError,
                    Code::CoordinatorLoadInProgress,
                    Code::RebalanceInProgress,
                    Code::UnknownTopicOrPartition,
                    Code::UnknownTopic,
                    Code::Authentication,
                    Code::SaslAuthenticationFailed,
                    Code::PollExceeded,
                    Code::InvalidDifferentRecord,
                    Code::PurgeQueue,
                    Code::Fail,
                    Code::Unknown,
                ],
                Class::Outage,
            ),
            (
                &[
                    Code::MessageSizeTooLarge,
                    Code::InvalidMessage,
                    Code::InvalidRecord,
                    Code::InvalidTimestamp,
                ],
                Class::BadRow,
            ),
            (
                &[
                    Code::Fatal,
                    Code::BadMessage,
                    Code::BadCompression,
                    Code::AutoOffsetReset,
                    Code::OffsetOutOfRange,
                    Code::LogTruncation,
                    Code::TopicAuthorizationFailed,
                    Code::GroupAuthorizationFailed,
                    Code::ClusterAuthorizationFailed,
                    Code::UnsupportedSASLMechanism,
                    Code::InvalidArgument,
                    Code::InvalidConfig,
                    Code::MessageBatchTooLarge,
                    Code::OutOfOrderSequenceNumber,
                    Code::FencedInstanceId,
                    Code::NoError,
                    Code::End,
                ],
                Class::Bug,
            ),
        ];
        for (codes, class) in table {
            for code in codes {
                assert_eq!(of_kafka(*code), class, "{code:?}");
            }
        }
    }
}

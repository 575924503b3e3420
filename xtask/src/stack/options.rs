//! What a stack is for, and how much memory it gets.

use serde::{Deserialize, Serialize};

/// How to start a stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StackOptions {
    /// Whether it outlives this process.
    pub(crate) purpose: Purpose,
    /// How much memory it gets.
    pub(crate) size: Size,
    /// Whether its servers must be processes of ours, which can be stopped and started.
    pub(crate) as_processes: bool,
}

impl StackOptions {
    /// A stack on the ports that the binaries use by default, where these are free.
    pub(crate) fn up() -> Self {
        Self { purpose: Purpose::Up, size: Size::Everyday, as_processes: false }
    }

    /// A stack for one run of this process, on free ports.
    pub(crate) fn private(size: Size) -> Self {
        Self { purpose: Purpose::Run, size, as_processes: false }
    }

    /// A stack for one run, whose servers are stopped and started in it.
    pub(crate) fn harmed() -> Self {
        Self { as_processes: true, ..Self::private(Size::Test) }
    }
}

/// Whether a stack outlives the process that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Started by `up`, stopped by `down`.
    Up,
    /// Ends with its run.
    Run,
}

/// Memory, by use. Durability is the same in all: it is what the product promises.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Size {
    /// Many short tests.
    Test,
    /// Trying things out.
    Everyday,
    /// Measuring.
    Bench,
}

impl Size {
    /// Postgres's `shared_buffers`.
    pub(crate) fn shared_buffers(self) -> &'static str {
        match self {
            Self::Test => "512MB",
            Self::Everyday => "1GB",
            Self::Bench => "2GB",
        }
    }

    /// Kafka's heap, as an option of the JVM.
    pub(crate) fn kafka_heap(self) -> &'static str {
        match self {
            Self::Test | Self::Everyday => "-Xmx512m",
            Self::Bench => "-Xmx1g",
        }
    }

    /// Kafka's garbage collector, as an option of the JVM.
    pub(crate) fn kafka_collector(self) -> &'static str {
        match self {
            Self::Test | Self::Everyday => "-XX:+UseSerialGC",
            Self::Bench => "-XX:+UseG1GC",
        }
    }
}

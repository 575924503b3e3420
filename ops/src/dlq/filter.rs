//! Which letters a command is about.

use dead_letters::State;
use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::id::Prefix;
use crate::Error;

/// Letters by what they are; an empty list is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Dead-lettered for one of these causes.
    pub causes: Vec<String>,
    /// Which failed at one of these steps.
    pub stages: Vec<String>,
    /// Of one of these terminals.
    pub terminals: Vec<String>,
    /// Of no terminal: those whose value could not be read.
    pub no_terminal: bool,
    /// Dead-lettered then or later.
    pub since: Option<Millis>,
    /// Dead-lettered before then.
    pub until: Option<Millis>,
}

/// Which letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These.
    Ids(Vec<Prefix>),
    /// All that a filter lets through, the oldest first.
    Filter(Filter),
}

/// `$1` to `$8` of the statements that have `which.sql` in them.
#[derive(Debug)]
pub(super) struct Parameters {
    ids: Option<Vec<Uuid>>,
    states: Option<Vec<&'static str>>,
    causes: Option<Vec<String>>,
    stages: Option<Vec<String>>,
    terminals: Option<Vec<String>>,
    no_terminal: bool,
    since: Option<Timestamptz>,
    until: Option<Timestamptz>,
}

impl Which {
    /// Looks prefixes up.
    pub(super) async fn parameters(
        &self,
        client: &impl GenericClient,
    ) -> Result<Parameters, Error> {
        match self {
            Self::Filter(filter) => Ok(filter.parameters()),
            Self::Ids(prefixes) => {
                let mut ids = Vec::with_capacity(prefixes.len());
                for prefix in prefixes {
                    ids.push(prefix.find(client).await?);
                }
                Ok(Parameters { ids: Some(ids), ..Filter::default().parameters() })
            }
        }
    }
}

impl Filter {
    /// Letters that may still become something.
    pub const UNSETTLED: [State; 2] = [State::Open, State::Replaying];

    pub(super) fn parameters(&self) -> Parameters {
        fn some<T: Clone>(all: &[T]) -> Option<Vec<T>> {
            (!all.is_empty()).then(|| all.to_vec())
        }
        let states: Vec<_> = self.states.iter().map(|state| state.as_str()).collect();
        Parameters {
            ids: None,
            states: some(&states),
            causes: some(&self.causes),
            stages: some(&self.stages),
            terminals: some(&self.terminals),
            no_terminal: self.no_terminal,
            since: self.since.map(Timestamptz),
            until: self.until.map(Timestamptz),
        }
    }
}

impl Parameters {
    pub(super) fn list(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![
            &self.ids,
            &self.states,
            &self.causes,
            &self.stages,
            &self.terminals,
            &self.no_terminal,
            &self.since,
            &self.until,
        ]
    }
}

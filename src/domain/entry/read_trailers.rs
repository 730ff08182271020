//! Reads the trailers of a ledger commit's message.
//!
//! A walk over history reads the trailers first, and so can skip most entries without reading them.

use super::trailer::PREFIX;
use super::{ActionInfo, HistoryRole, LedgerKind};
use crate::domain::id::CommitId;

/// The trailers of a message that readers use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trailers {
    /// The action's name.
    pub action: String,
    /// The environment, if any.
    pub environment: Option<String>,
    /// The commits, with repetitions.
    pub commits: Vec<CommitId>,
    /// The components, with repetitions.
    pub components: Vec<String>,
    /// The content of a registered artifact's component.
    pub content: Option<String>,
}

impl Trailers {
    /// Returns what the entry adds to the history of an environment. The ledger must be that of an
    /// environment, since action names repeat in other ledgers.
    pub fn history_role(&self) -> HistoryRole {
        ActionInfo::find(LedgerKind::Environment, &self.action)
            .map_or(HistoryRole::None, |info| info.history)
    }
}

/// Reads the trailers of a message that [`Statement::message`](super::Statement::message) made;
/// only its last paragraph counts.
pub fn read_trailers(message: &str) -> Trailers {
    let paragraph = message
        .trim_end_matches('\n')
        .rsplit("\n\n")
        .next()
        .unwrap_or_default();
    let mut trailers = Trailers::default();
    for line in paragraph.lines() {
        let Some((key, value)) = line
            .strip_prefix(PREFIX)
            .and_then(|line| line.split_once(": "))
        else {
            continue;
        };
        match key {
            "Action" => value.clone_into(&mut trailers.action),
            "Environment" => trailers.environment = Some(value.to_owned()),
            "Commit" => trailers.commits.extend(value.parse::<CommitId>()),
            "Component" => trailers.components.push(value.to_owned()),
            "Content" => trailers.content = Some(value.to_owned()),
            _ => {}
        }
    }
    trailers
}

//! What a reader takes from the trailers of a ledger commit's message.
//!
//! A walk over history reads the trailers before it opens an entry, and passes over most entries without opening them.

use super::trailer::PREFIX;
use super::{ActionInfo, HistoryRole, LedgerKind};
use crate::domain::id::CommitId;

/// The trailers of a message, as far as readers use them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trailers {
    /// The action's word.
    pub action: String,
    /// The environment, if any.
    pub environment: Option<String>,
    /// The commits, as often as they are named.
    pub commits: Vec<CommitId>,
    /// The components, as often as they are named.
    pub components: Vec<String>,
    /// The content of a registered artifact's component.
    pub content: Option<String>,
}

impl Trailers {
    /// Returns what the entry says about the history of an environment, if its ledger is one of an environment.
    pub fn history_role(&self) -> HistoryRole {
        ActionInfo::find(LedgerKind::Environment, &self.action)
            .map_or(HistoryRole::None, |info| info.history)
    }
}

/// Reads the trailers of a message that [`Statement::message`](super::Statement::message) made; only its last paragraph counts.
pub fn read_trailers(message: &str) -> Trailers {
    let paragraph = message
        .trim_end_matches('\n')
        .rsplit("\n\n")
        .next()
        .unwrap_or_default();
    let mut found = Trailers::default();
    for line in paragraph.lines() {
        let Some((key, value)) = line
            .strip_prefix(PREFIX)
            .and_then(|line| line.split_once(": "))
        else {
            continue;
        };
        match key {
            "Action" => value.clone_into(&mut found.action),
            "Environment" => found.environment = Some(value.to_owned()),
            "Commit" => found.commits.extend(value.parse::<CommitId>()),
            "Component" => found.components.push(value.to_owned()),
            "Content" => found.content = Some(value.to_owned()),
            _ => {}
        }
    }
    found
}

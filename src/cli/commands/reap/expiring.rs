//! Finds the ephemeral environments that have expired or are about to.

use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind};
use crate::domain::env_ref::EnvRef;
use crate::domain::name::{EnvName, Person};
use crate::domain::policy::{Environment as Rules, Policy};
use crate::domain::time::Time;

/// An environment that has expired or is about to.
pub(super) struct ExpiringEnvironment {
    pub(super) env: EnvRef,
    pub(super) expires: Time,
    /// Who set the expiry.
    pub(super) set_by: Person,
}

/// Returns the environments that expire no later than `deadline`, sorted by expiry.
///
/// `filter` limits them to one environment, or to those of a pattern of the policy, such as `pr-*`.
///
/// # Errors
///
/// Fails if the policy has no such pattern, and no pattern matches such an environment.
pub(super) fn find_expiring(
    filter: Option<&str>,
    workspace: &Workspace,
    deadline: Time,
) -> Result<Vec<ExpiringEnvironment>, CliError> {
    if let Some(word) = filter {
        require_ephemeral(word, &workspace.policy)?;
    }
    let is_selected = |snapshot: &EnvironmentSnapshot<'_>| {
        filter.is_none_or(|word| {
            word == snapshot.rules.display_name() || word == snapshot.name().as_str()
        })
    };
    let mut expiring = Vec::new();
    for snapshot in read_context::read_environments(workspace)?
        .into_iter()
        .filter(|snapshot| snapshot.rules.is_pattern() && is_selected(snapshot))
    {
        let state = snapshot.state();
        if let Some((expires, entry)) = state
            .expires()
            .filter(|expires| *expires <= deadline)
            .zip(state.expiry_entry())
        {
            expiring.push(ExpiringEnvironment {
                env: snapshot.env.clone(),
                expires,
                set_by: entry.statement.by.clone(),
            });
        }
    }
    expiring.sort_by(|one, other| {
        (one.expires, one.env.name()).cmp(&(other.expires, other.env.name()))
    });
    Ok(expiring)
}

/// Returns the error if some environments may be unknown here, because a ledger of theirs is not
/// verified, or is not what the remote has. Opening the workspace has named the problems.
pub(super) fn find_doubt(
    filter: Option<&str>,
    workspace: &Workspace,
) -> Result<Option<CliError>, CliError> {
    let doubtful = read_context::find_doubtful_ledgers(workspace)?;
    let is_selected = |rules: &&Rules| {
        let covers = |word: &str| {
            let name = word.parse::<EnvName>().ok();
            let rules_of_name = name.and_then(|name| workspace.policy.environment(&name));
            rules_of_name.is_some_and(|found| found.ledger == rules.ledger)
        };
        filter.is_none_or(|word| word == rules.display_name() || covers(word))
    };
    let patterns = workspace.policy.patterns.values();
    let names: Vec<String> = patterns
        .filter(|rules| doubtful.contains(&rules.ledger))
        .filter(is_selected)
        .map(Rules::display_name)
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let message = format!(
        "cannot tell whether more environments of {} have expired",
        names.join(", ")
    );
    Ok(Some(
        CliError::new(ErrorKind::CannotTell, message).hint("git deploy sync"),
    ))
}

/// Checks that a word is a pattern of the policy, or that a pattern matches it.
fn require_ephemeral(word: &str, policy: &Policy) -> Result<(), CliError> {
    let is_pattern = policy
        .patterns
        .values()
        .any(|rules| rules.display_name() == word);
    let matches_pattern = || {
        word.parse::<EnvName>()
            .is_ok_and(|name| policy.environment(&name).is_some_and(Rules::is_pattern))
    };
    if is_pattern || matches_pattern() {
        return Ok(());
    }
    let patterns: Vec<String> = policy.patterns.values().map(Rules::display_name).collect();
    let list = if patterns.is_empty() {
        "none".to_owned()
    } else {
        patterns.join(", ")
    };
    Err(CliError::new(
        ErrorKind::Usage,
        format!("{word:?} is not a pattern of ephemeral environments"),
    )
    .because(format!("the policy has {list}")))
}

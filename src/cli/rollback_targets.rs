//! What ran well in an environment, component by component: where one could go back to.
//!
//! Good is what succeeded and was verified by the newest word, is not on hold and is not yanked; where nothing verifies a component, what
//! succeeded.

use std::collections::{BTreeMap, BTreeSet};

use super::read_context::{self, Place};
use super::workspace::Workspace;
use super::{Failure, Kind, OrFail as _};
use crate::domain::entry::{Target, VerificationResult};
use crate::domain::history::Stay;
use crate::domain::id::Content;
use crate::domain::name::{ComponentName, Person};
use crate::domain::time::Time;
use crate::ledger::deployment_history::newest_good;
use crate::view::good;

/// A release of a component that ran well.
#[derive(Debug, Clone)]
pub struct Release {
    /// What it was; its commit is the one that it is, or was last, there as.
    pub target: Target,
    /// Its content.
    pub content: Content,
    /// Whether a verification passed.
    pub verified: bool,
    /// Since when it ran.
    pub from: Time,
    /// Until when; not where it still runs.
    pub to: Option<Time>,
    /// Who brought it in.
    pub by: Person,
    /// The number of the entry that did.
    pub sequence: u64,
}

impl Release {
    /// As `good` shows it.
    pub fn shown(self) -> good::Release {
        good::Release {
            commit: self.target.commit,
            version: self.target.version,
            verified: self.verified,
            runs: self.to.is_none(),
            from: self.from,
            to: self.to,
            by: self.by,
            sequence: self.sequence,
        }
    }
}

/// The components that run, or of which an attempt is known.
pub fn attempted(workspace: &Workspace, place: &Place<'_>) -> BTreeSet<ComponentName> {
    let here = place.here();
    let mut all: BTreeSet<ComponentName> = here.components().into_keys().cloned().collect();
    all.extend(
        workspace
            .policy
            .component_names()
            .into_iter()
            .filter(|name| here.last_attempt(name).is_some()),
    );
    all
}

/// The newest good release of each of these components that `wanted` takes; a component that has none is left out.
pub fn newest(
    workspace: &Workspace,
    place: &Place<'_>,
    components: &BTreeSet<ComponentName>,
    wanted: &dyn Fn(&ComponentName, &Release) -> bool,
) -> Result<BTreeMap<ComponentName, Release>, Failure> {
    let ledger = &place.rules.ledger;
    let member = Workspace::named_in_ledger(&place.name, place.rules);
    let gatherer = workspace.gatherer();
    let judge =
        |component: &ComponentName, stay: &Stay<'_>| {
            Ok(release(workspace, place, component, stay)?
                .filter(|release| wanted(component, release)))
        };
    // What was never attempted is not looked for all the way back.
    let known = attempted(workspace, place);
    let open = components
        .iter()
        .filter(|name| known.contains(*name))
        .cloned()
        .collect();
    match workspace.tips.get(ledger) {
        Some(tip) => newest_good(
            gatherer.history(),
            (ledger, member.as_ref()),
            *tip,
            open,
            &judge,
        )
        .or_fail(Kind::CannotTell, "cannot tell what ran well"),
        None => Ok(BTreeMap::new()),
    }
}

/// The same as it is shown, with those that have none.
pub fn shown(
    workspace: &Workspace,
    place: &Place<'_>,
    components: BTreeSet<ComponentName>,
    wanted: &dyn Fn(&ComponentName, &Release) -> bool,
) -> Result<good::Good, Failure> {
    let mut found = newest(workspace, place, &components, wanted)?;
    let component = |component: ComponentName| {
        let good = found.remove(&component).map(Release::shown);
        good::Component { component, good }
    };
    let components = components.into_iter().map(component).collect();
    Ok(good::Good {
        environment: place.name.clone(),
        components,
    })
}

/// The stay as a release, if it is good.
fn release(
    workspace: &Workspace,
    place: &Place<'_>,
    component: &ComponentName,
    stay: &Stay<'_>,
) -> crate::git::Result<Option<Release>> {
    let none_counts = workspace
        .policy
        .component(component)
        .is_none_or(|it| it.verify.is_none());
    let (Some(commit), Some(content)) = (stay.commit(), stay.content) else {
        return Ok(None);
    };
    let held = place.here().hold(component, content).is_some();
    if held
        || !stay.is_verified(none_counts)
        || read_context::yanks(workspace, [commit])?
            .yanked_commit(commit)
            .is_some()
    {
        return Ok(None);
    }
    let Some(target) = stay
        .entry
        .statement
        .component_result(component)
        .map(|it| it.target)
    else {
        return Ok(None);
    };
    Ok(Some(Release {
        target: Target { commit, ..target },
        content,
        verified: stay.verification() == VerificationResult::Passed,
        from: stay.from,
        to: stay.to,
        by: stay.entry.statement.by.clone(),
        sequence: stay.entry.statement.sequence,
    }))
}

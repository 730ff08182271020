//! What a person should know before a deployment, although no rule forbids it: commits that it takes
//! away, and deployed commits that are not where they belong.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use super::deployment_request::find_environment_policy;
use super::placement::PlacementFinder;
use super::read_context;
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::count::{choose, count, inflect};
use crate::domain::entry::{Deployment, DeploymentKind, Target};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{BranchName, Environment};
use crate::domain::state::{EnvState, Scope};
use crate::git;
use crate::ledger::facts::PathCommits;
use crate::ledger::writer::LedgerSnapshot;
use crate::run::new_commits::read_subject;
use crate::view::announcement::{Announcement, AnnouncementKind};
use crate::view::status::CommitPlacement;

/// The maximum number of commits to examine for one component.
const HISTORY_LIMIT: usize = 1_000;
/// The maximum number of lost commits that are named.
const MAX_NAMED: usize = 3;

impl Ui {
    /// Prints an announcement as a warning, and keeps it for the JSON document of the command.
    fn announce(&self, announcement: Announcement) {
        self.eprint_warning(&announcement.message);
        self.lock_announcements().push(announcement);
    }

    /// Returns what was announced so far.
    pub fn announcements(&self) -> Vec<Announcement> {
        self.lock_announcements().clone()
    }

    fn lock_announcements(&self) -> MutexGuard<'_, Vec<Announcement>> {
        let locked = self.announcements.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Announces what to know about a deployment.
///
/// Says nothing about commits that this clone lacks.
pub fn report(
    ui: &Ui,
    workspace: &Workspace,
    rules: &Environment,
    name: &EnvName,
    state: EnvState<'_>,
    deployment: &Deployment,
) {
    report_losses(ui, workspace, name, state, deployment);
    // A rollback returns to a commit that was judged before.
    if deployment.kind == DeploymentKind::Rollback {
        return;
    }
    let placements = describe_placements(workspace, rules, name, deployment);
    for announcement in placements.unwrap_or_default() {
        ui.announce(announcement);
    }
}

/// Announces the commits that a deployment takes away. A plan announces nothing else: the commits of a
/// change request are not where they belong until it is merged.
pub fn report_losses(
    ui: &Ui,
    workspace: &Workspace,
    name: &EnvName,
    state: EnvState<'_>,
    deployment: &Deployment,
) {
    if let Ok(Some(losses)) = describe_losses(workspace, name, state, deployment) {
        ui.announce(losses);
    }
}

/// The announcements of a command that drafts its entry again if another one was accepted first.
#[derive(Default)]
pub struct NotesOnce(Cell<bool>);

impl NotesOnce {
    /// Announces what to know about the deployment, unless an earlier draft has.
    pub fn report(
        &self,
        ui: &Ui,
        workspace: &Workspace,
        env: &EnvRef,
        snapshot: &LedgerSnapshot<'_>,
        deployment: &Deployment,
    ) -> Result<(), CliError> {
        if self.0.replace(true) {
            return Ok(());
        }
        let (_, rules) = find_environment_policy(env, snapshot)?;
        let state = snapshot
            .load_state(env.ledger(), &Scope::All)
            .context(ErrorKind::CannotTell, "cannot read the ledger")?;
        let state = env.state_in(&state);
        report(ui, workspace, rules, env.name(), state, deployment);
        Ok(())
    }
}

/// Announces that the work tree has changes that the commit `HEAD` does not have.
pub fn report_uncommitted_changes(ui: &Ui, workspace: &Workspace) {
    let number = count_uncommitted_changes(workspace).unwrap_or_default();
    if number > 0 {
        let (files, verb) = (count(number, "file"), choose(number, "has", "have"));
        ui.announce(Announcement {
            kind: AnnouncementKind::UncommittedChanges,
            message: format!("{files} {verb} uncommitted changes, which HEAD does not contain"),
            commits: Vec::new(),
            truncated: false,
        });
    }
}

/// Announces a warning of a plan that is to be approved.
pub fn report_plan_warning(ui: &Ui, component: &ComponentName, warning: &str) {
    ui.announce(Announcement {
        kind: AnnouncementKind::PlanWarning,
        message: format!("the plan of {component}: {warning}"),
        commits: Vec::new(),
        truncated: false,
    });
}

fn count_uncommitted_changes(workspace: &Workspace) -> git::Result<usize> {
    if workspace.repository.work_dir().is_none() {
        return Ok(0);
    }
    let status = workspace
        .repository
        // A file system monitor is a program that the configuration names.
        .git_with_settings(&["core.fsmonitor=false"], "status")
        .arg("--porcelain")
        .arg("--untracked-files=no")
        .run()?;
    let lines = status.into_stdout()?;
    Ok(String::from_utf8_lossy(&lines).lines().count())
}

/// Describes the commits that the environment runs now and would lose: `this takes away 2 commits
/// from prod, among them hotfix 1a2b3c4 by bob`. Returns `None` if there are none.
fn describe_losses(
    workspace: &Workspace,
    name: &EnvName,
    state: EnvState<'_>,
    deployment: &Deployment,
) -> git::Result<Option<Announcement>> {
    let path_commits = PathCommits::new(&workspace.repository, &workspace.policy, HISTORY_LIMIT);
    let (mut lost, mut hotfixes) = (Vec::new(), BTreeSet::new());
    let mut is_truncated = false;
    for change in deployment.deployed() {
        let (component, to) = (&change.target.component, change.target.commit);
        let Some(from) = change.from.filter(|from| *from != to) else {
            continue;
        };
        let ahead = path_commits.touching(component, from, to)?;
        if ahead.commits.is_empty()
            || has_running_content(workspace, &path_commits, state, &change.target, from)?
        {
            continue;
        }
        is_truncated |= ahead.is_truncated;
        let ids = ahead.commits.into_iter().map(CommitId);
        lost.extend(ids.filter(|id| !lost.contains(id)).collect::<Vec<_>>());
        let live = state.live_entry(component);
        if live.is_some_and(|it| it.statement.ended_kind() == Some(DeploymentKind::Hotfix)) {
            hotfixes.insert(from);
        }
    }
    if lost.is_empty() {
        return Ok(None);
    }
    // A hotfix is what a deployment takes away by mistake.
    lost.sort_by_key(|id| !hotfixes.contains(id));
    let mut named = Vec::new();
    for id in lost.iter().take(MAX_NAMED) {
        let commit = workspace.repository.read_commit(id.0)?;
        let author = read_context::find_author(workspace, commit.author());
        let hotfix = if hotfixes.contains(id) { "hotfix " } else { "" };
        let subject = read_subject(&commit).unwrap_or_default();
        named.push(format!(
            "{hotfix}{} by {author} ({subject})",
            id.0.prefix(7)
        ));
    }
    let noun = inflect(lost.len(), "commit");
    let more = if is_truncated { "+" } else { "" };
    let glue = if lost.len() > named.len() {
        ", among them"
    } else {
        ":"
    };
    let message = format!(
        "this takes away {}{more} {noun} from {name}{glue} {}",
        lost.len(),
        named.join(", ")
    );
    Ok(Some(Announcement {
        kind: AnnouncementKind::LostCommits,
        message,
        commits: lost,
        truncated: is_truncated,
    }))
}

/// Returns whether the history of the new commit has the running content, for example as a squash
/// or a cherry-pick. Then nothing is lost.
fn has_running_content(
    workspace: &Workspace,
    path_commits: &PathCommits<'_>,
    state: EnvState<'_>,
    target: &Target,
    from: CommitId,
) -> git::Result<bool> {
    let component = &target.component;
    let Some(running) = state.content(component) else {
        return Ok(false);
    };
    let gatherer = workspace.gatherer();
    let brought = path_commits.touching(component, target.commit, from)?;
    for id in brought.commits {
        if gatherer.content(&workspace.policy, CommitId(id), component)? == Some(running) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Describes the deployed commits that are on no branch of the remote. If the deployment breaks
/// glass, also those that are not on the environment's branch: otherwise a rule judges that, or the
/// branch moves after the deployment.
fn describe_placements(
    workspace: &Workspace,
    rules: &Environment,
    name: &EnvName,
    deployment: &Deployment,
) -> git::Result<Vec<Announcement>> {
    let finder = PlacementFinder::new(workspace)?;
    let remote = workspace.remote.as_deref();
    let branch = rules.branch.as_ref().map(BranchName::as_str);
    let tip = match branch {
        Some(branch) => workspace.repository.branch_tip(remote, branch)?,
        None => None,
    };
    let commits: BTreeMap<CommitId, Option<CommitPlacement>> = deployment
        .deployed()
        .map(|change| change.target.commit)
        .map(|commit| (commit, finder.find(commit, tip)))
        .collect();
    let describe = |(id, placement): (CommitId, Option<CommitPlacement>)| {
        let commit = id.0.prefix(7);
        let (kind, message) = match placement? {
            CommitPlacement::Unpushed => (
                AnnouncementKind::UnpushedCommit,
                format!("{commit} is on no branch of the remote"),
            ),
            CommitPlacement::OffBranch => (
                AnnouncementKind::OffBranchCommit,
                format!(
                    "{commit} is not on {}, the branch of {name}",
                    branch.unwrap_or_default()
                ),
            ),
        };
        let is_announced =
            kind != AnnouncementKind::OffBranchCommit || deployment.break_glass.is_some();
        is_announced.then(|| Announcement {
            kind,
            message,
            commits: vec![id],
            truncated: false,
        })
    };
    Ok(commits.into_iter().filter_map(describe).collect())
}

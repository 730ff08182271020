//! `git deploy status`: what runs in each environment. It reads the state at the tip of each ledger
//! and walks no ledger's history.

mod components;

use std::collections::BTreeSet;
use std::sync::Arc;

use components::{describe_lock, find_holds, list_components};

use crate::cli::deployment_request::require_component;
use crate::cli::read_context;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, StoredEntry};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::BranchName;
use crate::domain::state::State;
use crate::domain::text::Line;
use crate::domain::time::Time;
use crate::ledger::facts::BranchLag as Counter;
use crate::view::commit_count::CommitCount;
use crate::view::status::{self, ComponentStatus, EnvironmentStatus, StatusReport};

/// The maximum number of commits to count. Keeps the command fast for environments that were not
/// deployed to for years.
const BEHIND_LIMIT: usize = 100;

/// Show what runs in each environment, and how far behind it is
///
/// Also accepts `git deploy status COMPONENT` and `git deploy status COMPONENT ENV`, in which `all`
/// means every component.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Show all environments:
    git deploy status

  Show one environment, with one line per component:
    git deploy status prod --all

  Show one component in every environment:
    git deploy status api

  Fail in CI if production does not match its branch:
    git deploy status prod --exit-code")]
pub struct Args {
    /// Only this environment, or only this component
    #[arg(value_name = "ENV")]
    first: Option<String>,
    /// The environment, behind a component or `all`
    #[arg(value_name = "ENV", hide = true)]
    second: Option<String>,
    /// Show one line per component, even if all are alike
    #[arg(long)]
    all: bool,
    /// Exit with 1 if an environment differs from its branch
    ///
    /// Compares contents. An environment without a branch of its own is compared with the default
    /// branch. Environments of a pattern are only compared if named.
    #[arg(long)]
    exit_code: bool,
}

/// Prints the status table. With `--exit-code`, fails if an environment differs from its branch.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    let problems = read_context::report_problems(&workspace, ui)?;
    let (environment, component) = parse_words(args, &workspace)?;
    let snapshots = match environment {
        Some(name) => vec![read_context::read_environment(&workspace, name)?],
        None => read_context::read_environments(&workspace)?,
    };
    let (repository, remote) = (&workspace.repository, workspace.remote.as_deref());
    let branch = repository
        .default_branch(remote)
        .context(ErrorKind::CannotTell, "cannot tell the default branch")?;
    let running = snapshots
        .iter()
        .flat_map(|snapshot| snapshot.state().components().into_values());
    let yanks = read_context::read_yanks(&workspace, running)
        .context(ErrorKind::CannotTell, "cannot read what was yanked")?;
    let reader = StatusReader {
        workspace: &workspace,
        branch: branch.as_deref(),
        yanks: &yanks,
        counter: Counter::new(repository, &workspace.policy, BEHIND_LIMIT),
        component: component.as_ref(),
        now: ui.now(),
    };
    let environments = snapshots
        .iter()
        .map(|snapshot| {
            let compared =
                args.exit_code && (environment.is_some() || !snapshot.rules.is_pattern());
            reader.read(snapshot, compared)
        })
        .collect::<Result<_, _>>()?;
    let fetched = remote.and_then(|_| repository.last_fetch_time());
    let remote = workspace.remote.clone();
    let status = StatusReport {
        environments,
        branch,
        remote,
        fetched,
        problems,
    };
    if ui.json() {
        ui.print_document("status", &status)?;
    } else {
        ui.print(status::render_text(
            &status,
            args.all,
            ui.width(),
            &|time| ui.format_time(time),
        ));
    }
    report_differences(&status, ui)
}

/// Reads the status of one environment after another.
struct StatusReader<'a> {
    workspace: &'a Workspace,
    /// The default branch.
    branch: Option<&'a str>,
    yanks: &'a State,
    counter: Counter<'a>,
    /// The only component to show.
    component: Option<&'a ComponentName>,
    now: Time,
}

impl StatusReader<'_> {
    /// Returns the status of an environment. With `compared`, it says whether the environment
    /// differs from its branch.
    fn read(
        &self,
        snapshot: &read_context::EnvironmentSnapshot<'_>,
        compared: bool,
    ) -> Result<EnvironmentStatus, CliError> {
        let own = snapshot.rules.branch.as_ref().map(BranchName::as_str);
        let branch_here = own.or(self.branch);
        let remote = self.workspace.remote.as_deref();
        let repository = &self.workspace.repository;
        let tip =
            branch_here.and_then(|branch| repository.branch_tip(remote, branch).ok().flatten());
        let here = snapshot.state();
        let is_shown = |name: &ComponentName| self.component.is_none_or(|only| name == only);
        let mut components = list_components(here);
        components.retain(|it| is_shown(&it.component));
        for it in &mut components {
            it.yanked = it
                .commit
                .and_then(|commit| find_yank_reason(self.yanks.yanked_commit(commit)));
            count_behind(&self.counter, tip, it);
        }
        let differs = compared.then(|| {
            find_differing(
                self.workspace,
                snapshot,
                branch_here.zip(tip),
                self.component,
            )
        });
        let mut holds = find_holds(here);
        holds.retain(|it| is_shown(&it.component));
        let declared = self.workspace.policy.component_names();
        Ok(EnvironmentStatus {
            name: snapshot.name().clone(),
            branch: own
                .filter(|own| Some(*own) != self.branch)
                .map(str::to_owned),
            lock: here.lock().and_then(describe_lock),
            expires: here.expires(),
            expired: here.expires().is_some_and(|end| end <= self.now),
            holds,
            undeclared: components
                .iter()
                .map(|it| &it.component)
                .filter(|it| !declared.contains(*it))
                .cloned()
                .collect(),
            components,
            differing_components: differs.transpose()?,
        })
    }
}

/// Parses the positional arguments: `ENV`, `COMPONENT`, or `COMPONENT ENV`. Returns the environment
/// and the component.
fn parse_words<'a>(
    args: &'a Args,
    workspace: &Workspace,
) -> Result<(Option<&'a str>, Option<ComponentName>), CliError> {
    let component = |word: &str| -> Result<Option<ComponentName>, CliError> {
        if word == "all" {
            return Ok(None);
        }
        let name = word
            .parse()
            .context(ErrorKind::Usage, format!("{word:?} is not a component"))?;
        require_component(&workspace.policy, &name)?;
        Ok(Some(name))
    };
    match (args.first.as_deref(), args.second.as_deref()) {
        (Some(first), Some(second)) => Ok((Some(second), component(first)?)),
        (Some(word), None) if workspace.find_environment(word).is_err() => match component(word) {
            Ok(component) => Ok((None, component)),
            // A single unknown word is reported as an environment, as in every command.
            Err(_) => workspace.find_environment(word).map(|_| (Some(word), None)),
        },
        (first, _) => Ok((first, None)),
    }
}

/// Counts the commits that a component is behind its branch. Counts nothing if the branch or its
/// history is not in this clone.
fn count_behind(counter: &Counter<'_>, tip: Option<CommitId>, it: &mut ComponentStatus) {
    let Some((tip, commit)) = tip.zip(it.commit) else {
        return;
    };
    if let Ok(ahead) = counter.commits_behind(&it.component, tip, commit) {
        it.behind = Some(CommitCount {
            commits: ahead.commits.len(),
            truncated: ahead.is_truncated,
        });
        it.missing_commits = ahead.commits.into_iter().map(CommitId).collect();
    }
}

/// Returns the components whose content in the environment differs from its branch.
fn find_differing(
    workspace: &Workspace,
    snapshot: &read_context::EnvironmentSnapshot<'_>,
    branch: Option<(&str, CommitId)>,
    only: Option<&ComponentName>,
) -> Result<Vec<ComponentName>, CliError> {
    let name = snapshot.name();
    let (branch, tip) = branch.ok_or_else(|| {
        CliError::new(
            ErrorKind::CannotTell,
            format!("there is no branch here to compare {name} with"),
        )
        .hint("git fetch")
    })?;
    let (here, gatherer) = (snapshot.state(), workspace.gatherer());
    let mut all: BTreeSet<ComponentName> = here.components().into_keys().cloned().collect();
    all.extend(workspace.policy.component_names());
    let mut found = Vec::new();
    for component in all
        .into_iter()
        .filter(|it| only.is_none_or(|only| it == only))
    {
        let content = gatherer.content(&workspace.policy, tip, &component);
        let content = content.context(
            ErrorKind::CannotTell,
            format!("cannot tell the content of {component} in {branch}"),
        )?;
        if content != here.content(&component) || here.unknown_since(&component).is_some() {
            found.push(component);
        }
    }
    Ok(found)
}

/// Prints the environments that differ from their branches, and fails if there are any.
fn report_differences(status: &StatusReport, ui: &Ui) -> Result<(), CliError> {
    let mut same = true;
    for environment in &status.environments {
        let Some(differs) = environment
            .differing_components
            .as_ref()
            .filter(|differs| !differs.is_empty())
        else {
            continue;
        };
        same = false;
        let branch = environment
            .branch
            .as_ref()
            .or(status.branch.as_ref())
            .map_or("its branch", String::as_str);
        let names: Vec<&str> = differs.iter().map(ComponentName::as_str).collect();
        ui.eprint_sentence(format_args!(
            "{} differs from {branch}: {}",
            environment.name,
            names.join(", ")
        ));
    }
    if same {
        Ok(())
    } else {
        Err(CliError::reported(ErrorKind::Denied))
    }
}

fn find_yank_reason(kept: Option<&Arc<StoredEntry>>) -> Option<Line> {
    match &kept?.statement.action {
        Action::Yank(it) => Some(it.reason.clone()),
        _ => None,
    }
}

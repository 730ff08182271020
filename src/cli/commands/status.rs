//! `git deploy status`: shows what runs in each environment.
//!
//! Reads only the state at the tip of each ledger, so its cost does not grow with the history.

mod attention;
mod components;
mod differences;
mod watch;

use std::sync::Arc;

use attention::Attention;
use components::{describe_lock, list_components, list_not_deployed};
use differences::{find_differing, report_differences};

use crate::cli::deployment_request::require_component;
use crate::cli::placement::PlacementFinder;
use crate::cli::read_context;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, Approve, Statement, StoredEntry};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, Person};
use crate::domain::policy::{BranchName, Environment, Policy};
use crate::domain::state::{EnvState, State};
use crate::domain::text::Line;
use crate::domain::time::Time;
use crate::ledger::facts::{BranchLag, FactGatherer};
use crate::run::proposed_approval::is_without_effect;
use crate::view::commit_count::CommitCount;
use crate::view::status::{
    self, ComponentStatus, EnvironmentStatus, ReleaseStatus, RowSharing, StatusReport, TextOptions,
};

/// The maximum number of commits to count, which keeps the command fast for environments that were
/// not deployed to for years.
const BEHIND_LIMIT: usize = 100;

/// Show what runs in each environment, and how far behind it is
///
/// Also accepts `git deploy status COMPONENT` and `git deploy status COMPONENT ENV`, in which `all`
/// means every component.
#[derive(clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent flag of the command line"
)]
#[command(after_long_help = "\
Examples:
  Show all environments:
    git deploy status

  Show one environment, with one line per component:
    git deploy status prod --all

  Show one component in every environment:
    git deploy status api

  Show who released production, and the status of each component:
    git deploy status all prod

  Follow a deployment to production:
    git deploy status prod --watch

  Fail in CI if production does not match its branch:
    git deploy status prod --exit-code")]
pub struct Args {
    /// Only this environment, or only this component
    #[arg(value_name = "ENV")]
    first: Option<String>,
    /// The environment, if the first argument is a component or `all`
    #[arg(value_name = "ENV", hide = true)]
    second: Option<String>,
    /// Show one line per component, even if all are at the same release, and every hold
    #[arg(long)]
    all: bool,
    /// Also list the artifacts of each component
    #[arg(long)]
    artifacts: bool,
    /// Fetch and show the status again and again, until Ctrl-C
    #[arg(long, conflicts_with = "exit_code")]
    watch: bool,
    /// Exit with 1 if an environment differs from its branch
    ///
    /// Compares contents. An environment without a branch in the policy is compared with the
    /// default branch. Environments of a pattern are compared only if ENV names them. Exits with 3
    /// if an environment cannot be compared, or its ledger may lack its newest entries here.
    #[arg(long)]
    exit_code: bool,
}

/// Prints the status. With `--exit-code`, fails if an environment differs from its branch.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    if args.watch {
        return watch::run(args, ui);
    }
    let report = read_report(args, ui)?;
    if ui.json() {
        ui.print_document("status", &report)?;
    } else {
        ui.print(render(&report, args, ui));
    }
    report_differences(&report, ui)?;
    if args.exit_code && report.is_incomplete {
        // An environment that was left out, or that lacks its newest entries, may differ.
        return Err(CliError::reported(ErrorKind::CannotTell));
    }
    Ok(())
}

/// Renders the status as text: that of a release if the arguments are `COMPONENT ENV`.
fn render(report: &StatusReport, args: &Args, ui: &Ui) -> String {
    let options = TextOptions {
        sharing: if args.all {
            RowSharing::None
        } else {
            RowSharing::Equal
        },
        with_artifacts: args.artifacts,
        width: ui.width(),
        now: ui.now(),
    };
    let when = |time| ui.format_time(time);
    if args.second.is_some() {
        status::render_release(report, options, &when)
    } else {
        status::render_text(report, options, &when)
    }
}

/// Reads the status of the environments that the arguments name.
fn read_report(args: &Args, ui: &Ui) -> Result<StatusReport, CliError> {
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
    let contents = snapshots.iter().flat_map(|snapshot| {
        let state = snapshot.state();
        let components = state.components().into_keys();
        components.filter_map(move |name| Some((name.clone(), state.content(name)?)))
    });
    let yanks = read_context::read_yanks(&workspace, running, contents)
        .context(ErrorKind::CannotTell, "cannot read what was yanked")?;
    let placement_finder = PlacementFinder::new(&workspace)
        .context(ErrorKind::CannotTell, "cannot read the remote's branches")?;
    let gatherer = workspace.gatherer();
    let reader = StatusReader {
        workspace: &workspace,
        gatherer: &gatherer,
        placement_finder,
        branch: branch.as_deref(),
        yanks: &yanks,
        branch_lag: BranchLag::new(repository, &workspace.policy, BEHIND_LIMIT),
        component: component.as_ref(),
        reader: read_context::identify_user(&workspace),
        now: ui.now(),
    };
    let environments = snapshots
        .iter()
        .map(|snapshot| {
            let compare = args.exit_code && (environment.is_some() || !snapshot.rules.is_pattern());
            reader.read(snapshot, compare)
        })
        .collect::<Result<_, _>>()?;
    let fetched = remote.and_then(|_| repository.last_sync_time());
    let remote = workspace.remote.clone();
    Ok(StatusReport {
        environments,
        branch,
        remote,
        fetched,
        is_incomplete: !workspace.unverified_ledgers().is_empty()
            || snapshots
                .iter()
                .any(|it| problems.ledgers.contains(it.env.ledger())),
        problems: problems.lines,
    })
}

/// Reads the status of environments. Its fields are the same for all of them.
struct StatusReader<'a> {
    workspace: &'a Workspace,
    gatherer: &'a FactGatherer<'a>,
    placement_finder: PlacementFinder<'a>,
    /// The default branch.
    branch: Option<&'a str>,
    yanks: &'a State,
    branch_lag: BranchLag<'a>,
    /// The only component to show.
    component: Option<&'a ComponentName>,
    /// The user, if known.
    reader: Option<Person>,
    now: Time,
}

impl StatusReader<'_> {
    /// Returns the status of an environment. With `compare`, includes the components that differ
    /// from its branch.
    fn read(
        &self,
        snapshot: &read_context::EnvironmentSnapshot<'_>,
        compare: bool,
    ) -> Result<EnvironmentStatus, CliError> {
        let own_branch = snapshot.rules.branch.as_ref().map(BranchName::as_str);
        let branch = own_branch.or(self.branch);
        let remote = self.workspace.remote.as_deref();
        let repository = &self.workspace.repository;
        let tip = branch.and_then(|branch| repository.branch_tip(remote, branch).ok().flatten());
        let state = snapshot.state();
        let is_shown = |name: &ComponentName| self.component.is_none_or(|only| name == only);
        let mut components = list_components(state, self.now);
        components.retain(|it| is_shown(&it.component));
        for status in &mut components {
            let yanks = self.yanks;
            let commit_yank = status.commit.and_then(|commit| yanks.yanked_commit(commit));
            let content = state.content(&status.component);
            let content_yank =
                content.and_then(|content| yanks.yanked_content(&status.component, content));
            status.yanked = find_yank_reason(commit_yank.or(content_yank));
            count_behind(&self.workspace.policy, &self.branch_lag, tip, status);
            let own_tip = tip.filter(|_| own_branch.is_some());
            let find_placement = |commit| self.placement_finder.find(commit, own_tip);
            status.placement = status.commit.and_then(find_placement);
        }
        let differing = compare
            .then(|| find_differing(self.workspace, snapshot, branch.zip(tip), self.component));
        let can_count = |entry: &StoredEntry, approve: &Approve| {
            let tips = self.workspace.tips();
            let (policy, env) = (&self.workspace.policy, &snapshot.env);
            !is_without_effect(
                self.gatherer,
                policy,
                env,
                state,
                tips,
                entry,
                approve,
                self.now,
            )
        };
        let policy = &self.workspace.policy;
        let attention = Attention::read(
            policy,
            state,
            self.gatherer,
            self.now,
            &is_shown,
            &can_count,
        )
        .context(ErrorKind::CannotTell, "cannot read what needs attention")?;
        let mut not_deployed = list_not_deployed(policy, state, &components);
        not_deployed.retain(|it| is_shown(it));
        let mut renamed = read_context::find_renamed(policy, state);
        renamed.retain(|old, _| is_shown(old));
        let mut undeclared = read_context::find_undeclared(policy, state);
        undeclared.retain(|it| is_shown(it));
        let newest = find_newest_release(state, &components);
        let statuses = components.iter().map(|it| it.state.release_status());
        Ok(EnvironmentStatus {
            last_released: newest.map(|statement| statement.at),
            released_by: newest.map(|statement| statement.by.clone()),
            release_status: ReleaseStatus::combine(statuses),
            holds: attention.holds,
            hold_lifters: self.find_hold_lifters(snapshot.rules),
            failures: attention.failures,
            unfinished_runs: attention.unfinished_runs,
            break_glass: attention.break_glass,
            approvals: attention.approvals,
            name: snapshot.name().clone(),
            branch: own_branch
                .filter(|branch| Some(*branch) != self.branch)
                .map(str::to_owned),
            lock: state.lock(None, self.now).and_then(describe_lock),
            expires: state.expires(),
            expired: state.expires().is_some_and(|end| end <= self.now),
            undeclared,
            renamed,
            components,
            not_deployed,
            differing_components: differing.transpose()?,
        })
    }

    /// Returns who may lift the holds of an environment. Returns `None` if the user may.
    fn find_hold_lifters(&self, rules: &Environment) -> Option<Vec<Person>> {
        let policy = &self.workspace.policy;
        let admins = policy.admins(&self.workspace.project.root_keys);
        let lifters = policy.unlockers(rules, admins);
        let is_reader_able = self.reader.as_ref().is_some_and(|it| lifters.contains(it));
        (!is_reader_able).then(|| lifters.into_iter().collect())
    }
}

/// Returns the entry that deployed a running component most recently.
fn find_newest_release<'a>(
    state: EnvState<'a>,
    components: &[ComponentStatus],
) -> Option<&'a Statement> {
    let live = components.iter();
    let live = live.filter_map(|it| Some(&state.live_entry(&it.component)?.statement));
    live.max_by_key(|statement| statement.sequence)
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

/// Counts the commits that a component is behind its branch. Leaves the count absent if the branch
/// or its history is not in this clone.
fn count_behind(
    policy: &Policy,
    branch_lag: &BranchLag<'_>,
    tip: Option<CommitId>,
    status: &mut ComponentStatus,
) {
    let Some((tip, commit)) = tip.zip(status.commit) else {
        return;
    };
    // The policy declares the paths of a renamed component under its new name.
    let component = policy.current_name(&status.component);
    if let Ok(ahead) = branch_lag.commits_behind(component, tip, commit) {
        status.behind = Some(CommitCount {
            commits: ahead.commits.len(),
            truncated: ahead.is_truncated,
        });
        status.missing_commits = ahead.commits.into_iter().map(CommitId).collect();
    }
}

/// Returns the reason in a yank entry. Returns `None` without an entry.
fn find_yank_reason(yank: Option<&Arc<StoredEntry>>) -> Option<Line> {
    match &yank?.statement.action {
        Action::Yank(it) => Some(it.reason.clone()),
        _ => None,
    }
}

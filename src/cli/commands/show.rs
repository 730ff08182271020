//! `git deploy show`: shows the path of one commit to production: its builds and tests, where it
//! ran, and what blocks the next step.

mod inclusion;

use std::collections::{BTreeMap, BTreeSet};

use inclusion::{Inclusion, InclusionFinder};

use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{
    Action, Attestation, AttestationResult, BuildResult, DeploymentKind, Statement, StoredEntry,
    Tone, VerificationResult,
};
use crate::domain::history::{AttemptFailure, History, LatestEvent, RunSubject};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::rules::SKEW;
use crate::domain::time::Time;
use crate::ledger::deployment_history::read_recent_histories;
use crate::ledger::facts::{FactGatherer, PathCommits};
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};
use crate::view::attestation_text;
use crate::view::contains::MatchKind;
use crate::view::deployment_details::DeploymentDetails;
use crate::view::show::{
    self, CommitReport, EnvironmentRow, EvidenceRow, IncludedWith, NextStep, RunRow, RunState,
};

/// Show the path of a commit to production
///
/// Shows builds, tests, where the commit was deployed, itself or inside another commit, and what
/// blocks its next step.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy show
  git deploy show v1.4.1

  Show the commit that production runs:
    git deploy show prod")]
pub struct Args {
    /// The commit, or the environment that runs it
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,
}

/// Prints the path of one commit.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    let id = workspace.resolve_commit(&args.revision)?;
    let commit = workspace
        .repository
        .read_commit(id.0)
        .context(ErrorKind::CannotTell, "cannot read the commit")?;
    let gatherer = workspace.gatherer();
    let reader = CommitReader {
        workspace: &workspace,
        gatherer: &gatherer,
        commit: id,
        at: commit.committer_time,
        is_merge: commit.parents.len() > 1,
        path_commits: PathCommits::new(&workspace.repository, &workspace.policy, 0),
        inclusion_finder: InclusionFinder::new(&workspace.repository, id),
    };
    let report = CommitReport {
        commit: id,
        subject: String::from_utf8_lossy(commit.message())
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        author: read_context::find_author(&workspace, commit.author()),
        at: commit.committer_time,
        evidence: reader
            .read_evidence()
            .context(ErrorKind::CannotTell, "cannot read the evidence")?,
        environments: reader.read_environments()?,
    };
    if ui.json() {
        return ui.print_document("show", &report);
    }
    ui.print(show::render_text(&report, ui.width(), ui.now(), ui.dates()));
    read_context::print_fetch_age(&workspace, ui);
    Ok(())
}

/// Collects what the ledgers contain about one commit.
struct CommitReader<'a> {
    workspace: &'a Workspace,
    gatherer: &'a FactGatherer<'a>,
    commit: CommitId,
    /// The date of the commit. Older entries cannot be about it, except for a skew of the clocks.
    at: Time,
    is_merge: bool,
    path_commits: PathCommits<'a>,
    inclusion_finder: InclusionFinder<'a>,
}

impl CommitReader<'_> {
    /// Returns the evidence about the commit, oldest first.
    fn read_evidence(&self) -> crate::git::Result<Vec<EvidenceRow>> {
        let ledger = LedgerName::evidence();
        let Some(tip) = self.workspace.tips.get(&ledger) else {
            return Ok(Vec::new());
        };
        let entries = self.gatherer.history().entries_about(
            &ledger,
            *tip,
            self.commit,
            self.at.minus(SKEW),
        )?;
        Ok(entries
            .iter()
            .rev()
            .map(|(id, entry)| summarize_evidence(*id, entry))
            .collect())
    }

    /// Returns the environments in promotion order. Environments of a pattern are included only if
    /// the commit was deployed there.
    fn read_environments(&self) -> Result<Vec<EnvironmentRow>, CliError> {
        let mut reached: BTreeSet<EnvName> = BTreeSet::new();
        let mut rows = Vec::new();
        for snapshot in read_context::read_environments(self.workspace)? {
            let runs = self.find_periods(&snapshot).context(
                ErrorKind::CannotTell,
                format!("cannot read what ran in {}", snapshot.name()),
            )?;
            let ran = runs
                .iter()
                .any(|run| matches!(run.state, RunState::Runs | RunState::Ran));
            // Promotion follows the commit and its content, not a later commit that contains it.
            let is_reached = runs.iter().any(|run| {
                let is_of_content = run.with.as_ref().map(|with| with.kind);
                matches!(run.state, RunState::Runs | RunState::Ran)
                    && matches!(is_of_content, None | Some(MatchKind::Content))
            });
            if is_reached {
                reached.insert(snapshot.name().clone());
            }
            let unfinished = runs.iter().any(|run| run.state == RunState::Deploying);
            if snapshot.rules.is_pattern() && runs.is_empty() {
                continue;
            }
            // A previous environment, if the commit must still be deployed there first.
            let previous = snapshot
                .rules
                .promote_from
                .iter()
                .find(|previous| !reached.contains(*previous));
            let next = match previous {
                _ if ran || unfinished || snapshot.rules.is_pattern() => None,
                Some(previous) => Some(NextStep::After {
                    environment: previous.clone(),
                }),
                None => Some(self.ask_rules(&snapshot)),
            };
            rows.push(EnvironmentRow {
                environment: snapshot.name().clone(),
                runs,
                next,
            });
        }
        Ok(rows)
    }

    /// Returns the newest attempt or run of the commit in an environment, for each component.
    /// Leaves out components that never ran the commit, a commit that contains it, or its content.
    fn find_periods(&self, snapshot: &EnvironmentSnapshot<'_>) -> crate::git::Result<Vec<RunRow>> {
        let Some(tip) = self.workspace.tips.get(&snapshot.rules.ledger) else {
            return Ok(Vec::new());
        };
        let (history, since) = (self.gatherer.history(), self.at.minus(SKEW));
        let components = self.workspace.policy.component_names();
        let histories = read_recent_histories(history, &snapshot.env, *tip, components, since)?;
        let mut runs = Vec::new();
        for (component, entries) in &histories {
            if let Some(unfinished) = find_unfinished_run(snapshot, component, self.commit) {
                runs.push(unfinished);
                continue;
            }
            // What ran is shown whoever signed it. The rules decide whether it counts.
            let history = History::read(component, entries, &|_| true);
            let own = self.find_period(component, &history)?;
            let has_run =
                matches!(&own, Some(run) if matches!(run.state, RunState::Runs | RunState::Ran));
            runs.extend(own);
            if !has_run {
                runs.extend(self.find_included(component, &history)?);
            }
        }
        Ok(runs)
    }

    /// Returns the run of a commit that contains this one, in the history of a component that this
    /// commit touches.
    fn find_included(
        &self,
        component: &ComponentName,
        history: &History<'_>,
    ) -> crate::git::Result<Option<RunRow>> {
        // A merge may change a component without differing from each of its parents.
        let touches = || Ok(self.is_merge || self.path_commits.touches(self.commit, component)?);
        if history.run_periods.is_empty() || !touches()? {
            return Ok(None);
        }
        let content = self
            .gatherer
            .content(&self.workspace.policy, self.commit, component)
            .ok()
            .flatten();
        let found = self.inclusion_finder.find(component, content, history)?;
        let Some(Inclusion { period, to, kind }) = found else {
            return Ok(None);
        };
        Ok(Some(RunRow {
            component: component.clone(),
            state: if to.is_none() {
                RunState::Runs
            } else {
                RunState::Ran
            },
            with: Some(IncludedWith {
                commit: period.commit,
                kind,
            }),
            from: period.from,
            to,
            verification: period.last_verification(),
            by: period.entry.statement.by.clone(),
            details: self.read_details(&period.entry.statement, component)?,
        }))
    }

    /// Returns the newest attempt or run of the commit in the history of a component.
    fn find_period(
        &self,
        component: &ComponentName,
        history: &History<'_>,
    ) -> crate::git::Result<Option<RunRow>> {
        let content = self
            .gatherer
            .content(&self.workspace.policy, self.commit, component)
            .ok()
            .flatten();
        if let LatestEvent::Failed(attempt) =
            history.latest_event(RunSubject::Commit(self.commit), content)
            && attempt.commit == self.commit
        {
            let state = match attempt.failure {
                AttemptFailure::Failed => RunState::Failed,
                AttemptFailure::RolledBack => RunState::RolledBack,
                AttemptFailure::Aborted => RunState::Aborted,
            };
            let statement = &attempt.entry.statement;
            return Ok(Some(RunRow {
                component: component.clone(),
                state,
                with: None,
                from: statement.at,
                to: None,
                verification: VerificationResult::None,
                by: statement.by.clone(),
                details: self.read_details(statement, component)?,
            }));
        }
        let mut periods = history.run_periods_of(RunSubject::Commit(self.commit));
        let Some(period) = periods.next_back() else {
            return Ok(None);
        };
        Ok(Some(RunRow {
            component: component.clone(),
            // A later commit with the same content does not end the period: this commit's content
            // still runs.
            state: if period.to.is_none() {
                RunState::Runs
            } else {
                RunState::Ran
            },
            with: None,
            from: period.from,
            to: period.to,
            verification: period.last_verification(),
            by: period.entry.statement.by.clone(),
            details: self.read_details(&period.entry.statement, component)?,
        }))
    }

    /// Returns the details of a deployment that concern a component, from the entry that ended it.
    fn read_details(
        &self,
        statement: &Statement,
        component: &ComponentName,
    ) -> crate::git::Result<DeploymentDetails> {
        let start = self.gatherer.history().start_of(statement)?;
        let start = start.as_ref().map(|entry| &entry.statement);
        Ok(DeploymentDetails::new(statement, start).only_for(component))
    }

    /// Evaluates the rules for a deployment of the commit to the environment now.
    fn ask_rules(&self, snapshot: &EnvironmentSnapshot<'_>) -> NextStep {
        let kind = DeploymentKind::Deploy;
        let Some(by) = read_context::find_deployer(self.workspace, snapshot.rules, kind) else {
            return NextStep::CannotTell {
                why: "the policy has no deployers for it".to_owned(),
            };
        };
        let spec = DeploymentSpec {
            env: &snapshot.env,
            rules: snapshot.rules,
            commits: Commits::One(self.commit),
            selection: Selection::ChangedWithDependents,
            kind,
            destroy: false,
            versions: BTreeMap::new(),
            artifact: None,
        };
        match self.workspace.previewer().preview_start(&by, &spec) {
            Ok(answer) => NextStep::Evaluated {
                verdict: answer.verdict,
            },
            Err(error) => NextStep::CannotTell {
                why: error.to_string(),
            },
        }
    }
}

/// Returns the unfinished run that is deploying the commit, if there is one.
fn find_unfinished_run(
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    commit: CommitId,
) -> Option<RunRow> {
    let run = snapshot.state().run_changing(component)?;
    let deployment = run.start.statement.deployment()?;
    let mut targets = deployment.changed().map(|change| &change.target);
    targets.find(|target| target.component == *component && target.commit == commit)?;
    let statement = &run.owner.statement;
    Some(RunRow {
        component: component.clone(),
        state: RunState::Deploying,
        with: None,
        from: statement.at,
        to: None,
        verification: VerificationResult::None,
        by: statement.by.clone(),
        details: DeploymentDetails::new(&run.start.statement, None),
    })
}

/// Summarizes an entry of the ledger `evidence` in one row. Actions without a summary of their own
/// use that of the log.
fn summarize_evidence(id: EntryId, entry: &StoredEntry) -> EvidenceRow {
    let (what, positive, detail) = match &entry.statement.action {
        Action::Build(it) => match it.result {
            BuildResult::Succeeded => ("built", true, it.component.to_string()),
            BuildResult::Failed => ("built", false, format!("{} failed", it.component)),
        },
        Action::Artifact(it) => {
            let digest = &it.image.digest;
            let short = digest.hex().get(..6).unwrap_or_default();
            (
                "built",
                true,
                format!(
                    "{} {}@{}:{short}…",
                    it.component,
                    it.image.name,
                    digest.algorithm().name()
                ),
            )
        }
        Action::Attestation(it) => summarize_attestation(it),
        Action::Yank(it) => ("yanked", false, format!("\"{}\"", it.reason)),
        Action::Unyank(it) => ("unyanked", true, format!("\"{}\"", it.0.reason)),
        other => {
            let text = other.body().log();
            (text.verb, text.tone != Tone::Bad, text.object)
        }
    };
    let statement = &entry.statement;
    EvidenceRow {
        what,
        positive,
        detail,
        by: statement.by.clone(),
        at: statement.at,
        entry: id,
    }
}

/// Returns a verb, whether the result is positive, and the details.
fn summarize_attestation(it: &Attestation) -> (&'static str, bool, String) {
    let positive = it.result() == AttestationResult::Passed;
    let verb = match it.short_type() {
        "test-result" => "tested",
        "change-review" => "reviewed",
        _ => "attested",
    };
    let suite = it
        .suite
        .as_ref()
        .map_or_else(String::new, |suite| format!(" {suite}"));
    let place = it
        .environment
        .as_ref()
        .map_or_else(String::new, |environment| format!(" in {environment}"));
    (
        verb,
        positive,
        format!(
            "{}{suite} {}{place}",
            it.short_type(),
            attestation_text::format_outcome(it)
        ),
    )
}

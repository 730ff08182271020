//! `git deploy show`: shows the path of one commit to production: its builds and tests, where it
//! ran, and what blocks the next step.

mod commit_reader;
mod current;
mod entry;
mod evidence;
mod inclusion;
mod next_step;

use commit_reader::CommitReader;
use entry::show_entry;
use evidence::summarize_evidence;
use inclusion::{Inclusion, InclusionFinder};
use next_step::PromotionProgress;

use crate::cli::change_search::CodeHistory;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::run_details::mark_wrapped;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Statement, VerificationResult};
use crate::domain::history::{AttemptFailure, History, LatestEvent, RunSubject};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::rules::SKEW;
use crate::ledger::deployment_history::read_recent_histories;
use crate::view::deployment_details::DeploymentDetails;
use crate::view::show::{
    self, CommitReport, EnvironmentRow, EvidenceRow, IncludedWith, RunRow, RunState,
};

/// Show the path of a commit to production, or a ledger entry
///
/// Shows builds, tests, where the commit was deployed, itself or inside another commit, and what
/// blocks its next step. An entry is named as other commands print it: prod@3f2a9c1e77, or its id alone.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy show
  git deploy show v1.4.1

  Show the commit that production runs:
    git deploy show prod

  Show an entry that a message or the log names:
    git deploy show prod@3f2a9c1e77")]
pub struct Args {
    /// The commit, the environment that runs it, or an entry
    #[arg(value_name = "REV|ENTRY", default_value = "HEAD")]
    revision: String,
}

/// Prints the path of one commit.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    if let Some(found) = workspace.find_entry(&args.revision)? {
        return show_entry(&workspace, &found, ui);
    }
    let id = workspace.resolve_commit(&args.revision)?;
    let commit = workspace
        .repository
        .read_commit(id.0)
        .context(ErrorKind::CannotTell, "cannot read the commit")?;
    let (gatherer, history) = (workspace.gatherer(), CodeHistory::new(&workspace));
    let changed_components = history.find_changed_components(id).context(
        ErrorKind::CannotTell,
        format!("cannot read what {} changes", id.short()),
    )?;
    let reader = CommitReader {
        workspace: &workspace,
        gatherer: &gatherer,
        commit: id,
        commit_time: commit.committer_time,
        inclusion_finder: InclusionFinder::new(
            &workspace.repository,
            id,
            !changed_components.is_empty(),
        ),
        changed_components,
        history: &history,
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

impl CommitReader<'_> {
    /// Returns the evidence about the commit, oldest first.
    fn read_evidence(&self) -> crate::git::Result<Vec<EvidenceRow>> {
        let ledger = LedgerName::evidence();
        let Some(tip) = self.workspace.tip(&ledger)? else {
            return Ok(Vec::new());
        };
        let entries = self.gatherer.history().entries_about(
            &ledger,
            tip,
            self.commit,
            self.commit_time.minus(SKEW),
        )?;
        Ok(entries
            .iter()
            .rev()
            .map(|(id, entry)| summarize_evidence(*id, entry))
            .collect())
    }

    /// Returns the environments in promotion order. Includes environments of a pattern only if the
    /// commit was deployed there.
    fn read_environments(&self) -> Result<Vec<EnvironmentRow>, CliError> {
        let mut progress = PromotionProgress::default();
        let mut rows = Vec::new();
        for snapshot in read_context::read_environments(self.workspace)? {
            let mut runs = self.find_runs(&snapshot).context(
                ErrorKind::CannotTell,
                format!("cannot read what ran in {}", snapshot.name()),
            )?;
            let is_missing = self.compare_with_running(&snapshot, &mut runs)?;
            progress.add(snapshot.name(), &runs);
            if snapshot.rules.is_pattern() && runs.is_empty() {
                continue;
            }
            let next = self.find_next_step(&snapshot, &runs, is_missing, &progress);
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
    fn find_runs(&self, snapshot: &EnvironmentSnapshot<'_>) -> crate::git::Result<Vec<RunRow>> {
        let Some(tip) = self.workspace.tip(&snapshot.rules.ledger)? else {
            return Ok(Vec::new());
        };
        let (history, since) = (self.gatherer.history(), self.commit_time.minus(SKEW));
        let components = self.workspace.policy.component_names();
        let histories = read_recent_histories(history, &snapshot.env, tip, components, since)?;
        let mut runs = Vec::new();
        for (component, entries) in &histories {
            if let Some(unfinished) = find_unfinished_run(snapshot, component, self.commit) {
                runs.push(unfinished);
                continue;
            }
            // Accepts every signer: a run that does not count for the rules is shown too.
            let history = History::read(component, entries, &|_| true);
            let own_run = self.find_own_run(component, &history)?;
            let has_run = own_run.as_ref().is_some_and(is_running_or_past);
            runs.extend(own_run);
            if !has_run {
                runs.extend(self.find_containing_run(component, &history)?);
            }
        }
        Ok(runs)
    }

    /// Returns the run of a commit that contains this one, in the history of a component in which this
    /// commit is searched.
    fn find_containing_run(
        &self,
        component: &ComponentName,
        history: &History<'_>,
    ) -> crate::git::Result<Option<RunRow>> {
        if history.run_periods.is_empty() || !self.is_searched(component) {
            return Ok(None);
        }
        let content = self
            .gatherer
            .content(&self.workspace.policy, self.commit, component)
            .ok()
            .flatten();
        let inclusion = self.inclusion_finder.find(component, content, history)?;
        let Some(Inclusion { period, end, kind }) = inclusion else {
            return Ok(None);
        };
        Ok(Some(RunRow {
            component: component.clone(),
            state: if end.is_none() {
                RunState::Runs
            } else {
                RunState::Ran
            },
            with: Some(IncludedWith {
                commit: period.commit,
                kind,
            }),
            reverted_by: None,
            from: period.from,
            to: end,
            verification: period.last_verification(),
            by: period.entry.statement.by.clone(),
            details: self.read_details(&period.entry.statement, component)?,
        }))
    }

    /// Returns the newest attempt or run of the commit in the history of a component.
    fn find_own_run(
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
                reverted_by: None,
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
            reverted_by: None,
            from: period.from,
            to: period.to,
            verification: period.last_verification(),
            by: period.entry.statement.by.clone(),
            details: self.read_details(&period.entry.statement, component)?,
        }))
    }

    /// Returns the details of a deployment that concern a component, given the statement of the entry
    /// that ended the deployment.
    fn read_details(
        &self,
        statement: &Statement,
        component: &ComponentName,
    ) -> crate::git::Result<DeploymentDetails> {
        let start = self.gatherer.history().start_of(statement)?;
        let start = start.as_ref().map(|entry| &entry.statement);
        let details = DeploymentDetails::new(statement, start).only_for(component);
        Ok(mark_wrapped(self.gatherer, details, statement, start))
    }
}

/// Returns whether a deployment succeeded: its version runs now or ran for some time.
fn is_running_or_past(run: &RunRow) -> bool {
    matches!(run.state, RunState::Runs | RunState::Ran)
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
        reverted_by: None,
        from: statement.at,
        to: None,
        verification: VerificationResult::None,
        by: statement.by.clone(),
        details: DeploymentDetails::new(&run.start.statement, None),
    })
}

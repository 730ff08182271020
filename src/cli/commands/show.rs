//! `git deploy show`: the path of one commit to production: builds, tests, where it ran, and what
//! blocks it next.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::read_context::{self, Place};
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::{
    Action, Attestation, AttestationResult, BuildResult, DeploymentKind, StoredEntry, Tone,
    VerificationResult,
};
use crate::domain::history::{Failure as Fault, History, Latest};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::rules::SKEW;
use crate::domain::time::Time;
use crate::ledger::deployment_history::deeds_since;
use crate::ledger::facts::Gatherer;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};
use crate::run::preview::{Asker, first_deployer};
use crate::view::attestation_text;
use crate::view::show::{self, Fact, Next, Show, State, Stay, Stop};

/// Show one commit's way to production: built, tested, where it ran, what blocks it next
#[derive(clap::Args)]
pub struct Args {
    /// The commit, or the environment whose commit is meant
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,
}

/// Prints the path of one commit.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open(context)?;
    read_context::problems(&workspace, context)?;
    let id = workspace.commit(&args.revision)?;
    let commit = workspace
        .repository
        .read_commit(id.0)
        .or_fail(Kind::CannotTell, "cannot read the commit")?;
    let gatherer = workspace.gatherer();
    let teller = Teller {
        workspace: &workspace,
        gatherer: &gatherer,
        commit: id,
        at: commit.committer_time,
    };
    let show = Show {
        commit: id,
        subject: String::from_utf8_lossy(commit.message())
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        author: read_context::author(&workspace, commit.author()),
        at: commit.committer_time,
        evidence: teller
            .evidence()
            .or_fail(Kind::CannotTell, "cannot read the evidence")?,
        environments: teller.environments()?,
    };
    if context.json() {
        return context.report("show", &show);
    }
    context.print(show::text(
        &show,
        context.width(),
        context.now(),
        context.dates(),
    ));
    read_context::age(&workspace, context);
    Ok(())
}

/// Collects what the ledgers contain about one commit.
struct Teller<'a> {
    workspace: &'a Workspace,
    gatherer: &'a Gatherer<'a>,
    commit: CommitId,
    at: Time,
}

impl Teller<'_> {
    /// Returns the evidence about the commit, oldest first.
    fn evidence(&self) -> crate::git::Result<Vec<Fact>> {
        let ledger = LedgerName::evidence();
        let Some(tip) = self.workspace.tips.get(&ledger) else {
            return Ok(Vec::new());
        };
        let found = self.gatherer.history().entries_about(
            &ledger,
            *tip,
            self.commit,
            self.at.minus(SKEW),
        )?;
        Ok(found
            .iter()
            .rev()
            .map(|(id, kept)| fact(*id, kept))
            .collect())
    }

    /// Returns the environments in promotion order. Environments of a pattern are included only if
    /// the commit was deployed there.
    fn environments(&self) -> Result<Vec<Stop>, Failure> {
        let mut reached: BTreeSet<EnvName> = BTreeSet::new();
        let mut stops = Vec::new();
        for place in read_context::places(self.workspace, None)? {
            let what = || format!("cannot read what ran in {}", place.name);
            let stays = self.stays(&place).or_fail(Kind::CannotTell, what())?;
            let ran = stays
                .iter()
                .any(|stay| matches!(stay.state, State::Runs | State::Ran));
            if ran {
                reached.insert(place.name.clone());
            }
            let under_way = stays.iter().any(|stay| stay.state == State::Deploying);
            if place.rules.is_pattern() && stays.is_empty() {
                continue;
            }
            let before = place
                .rules
                .promote_from
                .as_ref()
                .filter(|before| !reached.contains(*before));
            let next = match before {
                _ if ran || under_way || place.rules.is_pattern() => None,
                Some(before) => Some(Next::After {
                    environment: before.clone(),
                }),
                None => Some(self.ask(&place)),
            };
            stops.push(Stop {
                environment: place.name.clone(),
                stays,
                next,
            });
        }
        Ok(stops)
    }

    /// Returns what became of the commit in an environment, for each component.
    fn stays(&self, place: &Place<'_>) -> crate::git::Result<Vec<Stay>> {
        let Some(tip) = self.workspace.tips.get(&place.rules.ledger) else {
            return Ok(Vec::new());
        };
        let member = Workspace::named_in_ledger(&place.name, place.rules);
        let ledger = (&place.rules.ledger, member.as_ref());
        let since = self.at.minus(SKEW);
        let deeds = deeds_since(self.gatherer.history(), ledger, *tip, self.commit, since)?;
        let mut stays = Vec::new();
        for component in self.workspace.policy.component_names() {
            let under_way = under_way(place, &component, self.commit);
            stays.extend(
                under_way.or_else(|| self.stay(&component, &History::read(&component, &deeds))),
            );
        }
        Ok(stays)
    }

    /// Returns the newest attempt or run of the commit in the history of a component.
    fn stay(&self, component: &ComponentName, history: &History<'_>) -> Option<Stay> {
        let content = self
            .gatherer
            .content(&self.workspace.policy, self.commit, component)
            .ok()
            .flatten();
        if let Latest::Failed(attempt) = history.latest(self.commit, content)
            && attempt.commit == self.commit
        {
            let state = match attempt.failure {
                Fault::Failed => State::Failed,
                Fault::RolledBack => State::RolledBack,
                Fault::Aborted => State::Aborted,
            };
            let statement = &attempt.entry.statement;
            return Some(Stay {
                component: component.clone(),
                state,
                from: statement.at,
                to: None,
                verification: VerificationResult::None,
                by: statement.by.clone(),
            });
        }
        let stay = history.stays_of(self.commit).next_back()?;
        Some(Stay {
            component: component.clone(),
            // The newest period stays open if another commit with the same content followed: this
            // commit's content still runs.
            state: if stay.to.is_none() {
                State::Runs
            } else {
                State::Ran
            },
            from: stay.from,
            to: stay.to,
            verification: stay.verification(),
            by: stay.entry.statement.by.clone(),
        })
    }

    /// Asks the rules whether the commit could be deployed to the environment now.
    fn ask(&self, place: &Place<'_>) -> Next {
        let kind = DeploymentKind::Deploy;
        let by = read_context::asker(self.workspace)
            .or_else(|| first_deployer(place.rules, kind).cloned());
        let Some(by) = by else {
            return Next::CannotTell {
                why: "nobody may deploy there".to_owned(),
            };
        };
        let wish = DeploymentSpec {
            name: &place.name,
            rules: place.rules,
            commits: Commits::One(self.commit),
            selection: Selection::Leaning,
            kind,
            destroy: false,
            versions: BTreeMap::new(),
        };
        let asker = Asker {
            repository: &self.workspace.repository,
            project: &self.workspace.project,
            remote: self.workspace.remote.as_deref(),
        };
        match asker.start(&by, &wish) {
            Ok(answer) => Next::Asked {
                verdict: answer.verdict,
            },
            Err(error) => Next::CannotTell {
                why: error.to_string(),
            },
        }
    }
}

/// Returns the unfinished run that is deploying the commit, if there is one.
fn under_way(place: &Place<'_>, component: &ComponentName, commit: CommitId) -> Option<Stay> {
    let here = place.here();
    let run = here.run_changing(component)?;
    let deployment = run.start.statement.deployment()?;
    let mut mine = deployment.changed().map(|change| &change.target);
    mine.find(|target| target.component == *component && target.commit == commit)?;
    let statement = &run.owner.statement;
    Some(Stay {
        component: component.clone(),
        state: State::Deploying,
        from: statement.at,
        to: None,
        verification: VerificationResult::None,
        by: statement.by.clone(),
    })
}

/// Says what an entry of the evidence says. One that has no words here gets those of the log.
fn fact(entry: EntryId, kept: &StoredEntry) -> Fact {
    let (what, good, detail) = match &kept.statement.action {
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
        Action::Attestation(it) => attested(it),
        Action::Yank(it) => ("yanked", false, format!("\"{}\"", it.reason)),
        Action::Unyank(it) => ("unyanked", true, format!("\"{}\"", it.0.reason)),
        other => {
            let text = other.body().log();
            (text.verb, text.tone != Tone::Bad, text.object)
        }
    };
    let statement = &kept.statement;
    Fact {
        what,
        good,
        detail,
        by: statement.by.clone(),
        at: statement.at,
        entry,
    }
}

fn attested(it: &Attestation) -> (&'static str, bool, String) {
    let good = it.result() == AttestationResult::Passed;
    let what = match it.short_type() {
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
        what,
        good,
        format!(
            "{}{suite} {}{place}",
            it.short_type(),
            attestation_text::outcome(it)
        ),
    )
}

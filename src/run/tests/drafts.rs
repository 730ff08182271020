//! Random drafts of entries, built as a client builds them: from the state that they will follow.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::yanked_contents::find_yanked_contents;
use super::{COMMAND, approval_purposes, policies::PEOPLE};
use crate::clock;
use crate::domain::entry::{
    Abort, Action, Approve, Artifact, Attestation, Baseline, Build, BuildResult, ComponentAtCommit,
    ComponentChange, ComponentResult, Deployment, DeploymentKind, Expire, Finish, Hold, Image,
    Lock, Outcome, PolicyApprove, PolicyRevoke, Record, RecordedResult, Resume, Revoke, Start,
    Target, Unlock, Unyank, Verification, VerificationResult, Yank,
};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, Digest, RunId};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::policy::{Environment, Policy};
use crate::domain::state::{EnvState, OpenRun, Scope, State};
use crate::domain::time::Span;
use crate::git::tests::SeededRandom;
use crate::ledger::StateReader;
use crate::ledger::testing::{draft_publish, parse};
use crate::ledger::writer::{EntryDraft, LedgerSnapshot};
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection, build_deployment};
use crate::run::outcome::build_finish;

/// The kinds of drafts for an environment's ledger.
pub(super) const ENVIRONMENT_KINDS: [&str; 18] = [
    "deploy",
    "record",
    "hotfix",
    "rollback",
    "destroy",
    "exec",
    "glass",
    "finish",
    "resume",
    "abort",
    "verification",
    "approve",
    "revoke",
    "lock",
    "unlock",
    "lift",
    "expire",
    "baseline",
];
/// The kinds of drafts for the ledger `evidence`.
pub(super) const EVIDENCE_KINDS: [&str; 5] = ["build", "artifact", "attestation", "yank", "unyank"];
/// The kinds of drafts for the ledger `policy`.
pub(super) const POLICY_KINDS: [&str; 3] = ["publish", "consent", "withdraw"];

/// Builds drafts for one environment from the present ledgers.
pub(super) struct Drafter<'a> {
    pub snapshot: &'a LedgerSnapshot<'a>,
    pub policy: &'a Policy,
    pub dice: &'a RefCell<SeededRandom>,
    pub commits: &'a [CommitId],
    /// The policies that may be proposed.
    pub proposals: &'a [String],
    pub name: &'a EnvName,
    pub rules: &'a Environment,
    /// The commit to use instead of a random one.
    pub focus: Option<CommitId>,
}

/// A draft, or why none of its kind is possible now.
type DraftResult = Result<EntryDraft, String>;

/// Returns the error for a kind of draft that has no subject now.
fn no_subject<T>() -> Result<T, String> {
    Err("there is nothing that it could be about".to_owned())
}

impl Drafter<'_> {
    fn below(&self, limit: u64) -> u64 {
        self.dice.borrow_mut().below(limit)
    }

    /// Returns a random item; an error if there is none.
    fn pick<T: Clone>(&self, items: impl IntoIterator<Item = T>) -> Result<T, String> {
        let all: Vec<T> = items.into_iter().collect();
        if all.is_empty() {
            no_subject()
        } else {
            Ok(self.dice.borrow_mut().pick(&all).clone())
        }
    }

    /// Returns a random subset of at least one item; an error if there is none.
    fn pick_some<T: Clone + Ord>(
        &self,
        items: impl IntoIterator<Item = T>,
    ) -> Result<BTreeSet<T>, String> {
        let all: Vec<T> = items.into_iter().collect();
        let first = self.pick(all.clone())?;
        Ok(all
            .into_iter()
            .filter(|_| self.below(2) == 0)
            .chain([first])
            .collect())
    }

    fn load(&self, ledger: &LedgerName) -> State {
        let tip = self
            .snapshot
            .gatherer
            .load_tip(ledger, self.snapshot.tips.get(ledger).copied())
            .unwrap();
        StateReader::new(self.snapshot.repository)
            .load(tip.tree, ledger, &Scope::All)
            .unwrap()
    }

    fn member(&self) -> Option<&EnvName> {
        self.rules.ephemeral.map(|_| self.name)
    }

    /// Returns a commit to deploy: mostly one that is running in the previous environment.
    fn pick_commit(&self) -> CommitId {
        if let Some(focus) = self.focus {
            return focus;
        }
        let before = self
            .rules
            .promote_from
            .first()
            .filter(|_| self.below(5) > 0);
        let state = before.map(|name| self.load(&self.policy.environment(name).unwrap().ledger));
        let running: Vec<CommitId> = state
            .iter()
            .flat_map(|state| state.environment(None).components().into_values())
            .collect();
        self.pick(running)
            .or_else(|_| self.pick(self.commits.to_vec()))
            .unwrap()
    }

    #[expect(clippy::too_many_lines, reason = "one arm per kind of draft")]
    pub fn draft(&self, kind: &str) -> DraftResult {
        let ledger = match kind {
            _ if EVIDENCE_KINDS.contains(&kind) => LedgerName::evidence(),
            _ if POLICY_KINDS.contains(&kind) => LedgerName::policy(),
            _ => self.rules.ledger.clone(),
        };
        let state = self.load(&ledger);
        let env_state = state.environment(self.member());
        let action = match kind {
            "deploy" => start(self.random_deployment(DeploymentKind::Deploy, env_state)?),
            "hotfix" => start(self.random_deployment(DeploymentKind::Hotfix, env_state)?),
            "rollback" => start(self.random_deployment(DeploymentKind::Rollback, env_state)?),
            "record" => {
                let kind = self.pick([
                    DeploymentKind::Deploy,
                    DeploymentKind::Deploy,
                    DeploymentKind::Rollback,
                ])?;
                self.record(self.random_deployment(kind, env_state)?)
            }
            "glass" => {
                let reason = Some(parse("it burns"));
                let deployment = Deployment {
                    break_glass: reason,
                    ..self.random_deployment(DeploymentKind::Deploy, env_state)?
                };
                if self.below(2) == 0 {
                    start(deployment)
                } else {
                    self.record(deployment)
                }
            }
            "destroy" => start(of_running_components(DeploymentKind::Destroy, env_state)),
            "exec" => start(of_running_components(DeploymentKind::Exec, env_state)),
            "finish" => self.finish(env_state)?,
            "resume" => Action::Resume(Resume {
                start: self.pick(env_state.runs())?.sequence,
                run: RunId(clock::random().unwrap()),
                reason: Some(parse("lost")),
            }),
            "abort" => {
                let run = self.pick(env_state.runs())?;
                Action::Abort(Abort {
                    start: run.sequence,
                    run: latest_run_id(&run.owner.statement.action),
                    components: changed_components(&run),
                    reason: parse("gone"),
                })
            }
            "verification" => self.verification(env_state)?,
            "approve" if self.rules.approvals.is_empty() && self.below(8) > 0 => {
                return no_subject();
            }
            "approve" => Action::Approve(Approve {
                commit: self.pick_commit(),
                components: if self.below(4) == 0 {
                    self.pick_some(self.policy.component_names())?
                        .into_iter()
                        .collect()
                } else {
                    self.policy.component_names().into_iter().collect()
                },
                purpose: self.pick(approval_purposes())?,
                plans: BTreeMap::new(),
                expires: clock::now().plus(Span::from_days(1)),
                comment: None,
            }),
            "revoke" => {
                let (commit, _, approval) = self.pick(env_state.approvals())?;
                Action::Revoke(Revoke {
                    commit,
                    approver: approval.statement.by.clone(),
                    comment: None,
                })
            }
            "lock" => {
                let component = self.pick(
                    self.policy
                        .component_names()
                        .into_iter()
                        .map(Some)
                        .chain([None]),
                )?;
                Action::Lock(Lock {
                    component,
                    until: None,
                    reason: parse("an incident"),
                })
            }
            "unlock" => self.unlock(env_state)?,
            "lift" => self.lift(env_state)?,
            "expire" => Action::Expire(Expire {
                expires: clock::now().plus(Span::from_seconds(7_200)),
                comment: None,
            }),
            "baseline" => self.baseline()?,
            "publish" => return Ok(draft_publish(self.pick(self.proposals)?)),
            "consent" => {
                let digest = Digest::sha256(self.pick(self.proposals)?.as_bytes());
                Action::PolicyApprove(PolicyApprove {
                    digest,
                    comment: None,
                })
            }
            "withdraw" => {
                let approval = self.pick(state.policy_approvals())?;
                let Action::PolicyApprove(it) = &approval.statement.action else {
                    return no_subject();
                };
                let (digest, approver) = (it.digest.clone(), approval.statement.by.clone());
                Action::PolicyRevoke(PolicyRevoke {
                    digest,
                    approver,
                    comment: None,
                })
            }
            _ => self.evidence(kind, &state)?,
        };
        let requested_by = if self.below(6) == 0 {
            Some(parse(self.pick(PEOPLE)?))
        } else {
            None
        };
        Ok(EntryDraft {
            environment: self.member().filter(|_| ledger.is_environment()).cloned(),
            requested_by,
            ..action.into()
        })
    }

    /// Builds a deployment with a random selection, commits and texts.
    fn random_deployment(
        &self,
        kind: DeploymentKind,
        env_state: EnvState<'_>,
    ) -> Result<Deployment, String> {
        let selection = match self.below(6) {
            0 => Selection::All,
            1 => Selection::Named(self.pick_some(self.policy.component_names())?),
            _ => Selection::Changed,
        };
        let each = |_: &ComponentName| self.pick_commit();
        let past = self.past_commits();
        let commits =
            if kind == DeploymentKind::Rollback && self.focus.is_none() && !past.is_empty() {
                Commits::One(self.pick(past)?)
            } else if self.below(6) == 0 {
                let names = self.policy.component_names().into_iter();
                Commits::Each(names.map(|name| (name.clone(), each(&name))).collect())
            } else {
                Commits::One(self.pick_commit())
            };
        let spec = DeploymentSpec {
            env: &EnvRef::new(self.name, self.rules),
            rules: self.rules,
            commits,
            selection,
            kind,
            destroy: self.below(2) == 0,
            leaves_out_manual: self.below(2) == 0,
            versions: BTreeMap::new(),
            artifact: None,
        };
        let mut deployment = build_deployment(self.snapshot, self.policy, &spec)
            .map_err(|error| error.to_string())?;
        if deployment.components.is_empty() {
            return no_subject();
        }
        if self.rules.ephemeral.is_some()
            && (env_state.expiry_entry().is_none() || self.below(3) == 0)
        {
            deployment.expires = Some(clock::now().plus(Span::from_seconds(3_600)));
        }
        if self.below(3) == 0 {
            deployment.change = Some(parse("CHG-1234"));
            deployment.release = Some(parse("spring"));
            deployment.description = Some(parse("What it brings.\n\nAnd why."));
        }
        Ok(deployment)
    }

    /// Returns the commits that were deployed to this environment.
    fn past_commits(&self) -> Vec<CommitId> {
        let Some(tip) = self.snapshot.tips.get(&self.rules.ledger) else {
            return Vec::new();
        };
        let history = self.snapshot.gatherer.history();
        let entries = history.walk(*tip).map(Result::unwrap);
        let ended =
            entries.filter(|it| ["finish", "record", "baseline"].contains(&&*it.trailers.action));
        ended.flat_map(|it| it.trailers.commits.clone()).collect()
    }

    /// Returns a random result of a component, mostly a success, so that deployments get promoted.
    fn random_result(&self, kind: DeploymentKind, change: &ComponentChange) -> RecordedResult {
        let or_failed = |success: Outcome| {
            if self.below(5) == 0 {
                Outcome::Failed
            } else {
                success
            }
        };
        let outcome = match change.from {
            _ if kind == DeploymentKind::Exec => Outcome::Executed,
            _ if change.is_removal() => or_failed(Outcome::Destroyed),
            Some(_) if self.below(8) == 0 => Outcome::RolledBack,
            _ if self.below(12) == 0 => Outcome::Skipped,
            _ => or_failed(Outcome::Succeeded),
        };
        RecordedResult {
            component: change.target.component.clone(),
            outcome,
            because: None,
            to: if outcome == Outcome::RolledBack {
                change.from
            } else {
                None
            },
            verification: match outcome {
                Outcome::Succeeded if self.below(3) > 0 => VerificationResult::Passed,
                _ => VerificationResult::None,
            },
        }
    }

    fn record(&self, deployment: Deployment) -> Action {
        let results = deployment
            .components
            .iter()
            .map(|change| self.random_result(deployment.kind, change))
            .collect();
        Action::Record(Record {
            deployment: Deployment {
                external: deployment.kind != DeploymentKind::Exec,
                ..deployment
            },
            results,
            logs: Vec::new(),
        })
    }

    fn finish(&self, env_state: EnvState<'_>) -> Result<Action, String> {
        let run = self.pick(env_state.runs())?;
        let start = run.start.statement.deployment().unwrap();
        let result = |change: &ComponentChange| {
            let RecordedResult {
                outcome,
                because,
                to,
                verification,
                ..
            } = self.random_result(start.kind, change);
            ComponentResult {
                target: change.target.clone(),
                outcome,
                because,
                to,
                verification,
            }
        };
        Ok(Action::Finish(Finish {
            components: start.components.iter().map(result).collect(),
            status: (start.kind == DeploymentKind::Exec).then_some(0),
            logs: vec![parse("https://ci.example.com/1")],
            ..build_finish(
                run.sequence,
                latest_run_id(&run.owner.statement.action),
                start,
                Vec::new(),
            )
        }))
    }

    fn verification(&self, env_state: EnvState<'_>) -> Result<Action, String> {
        let all = env_state
            .components()
            .into_iter()
            .map(|(component, commit)| (component.clone(), commit));
        let components = self.pick_some(all)?.into_iter();
        let components = components
            .map(|(component, commit)| ComponentAtCommit { component, commit })
            .collect();
        let verification = if self.below(4) > 0 {
            VerificationResult::Passed
        } else {
            VerificationResult::Failed
        };
        Ok(Action::Verification(Verification {
            components,
            verification,
            comment: None,
            logs: Vec::new(),
        }))
    }

    fn unlock(&self, env_state: EnvState<'_>) -> Result<Action, String> {
        let names = self.policy.component_names();
        let locked = names
            .into_iter()
            .filter(|name| env_state.lock_entry(Some(name)).is_some())
            .map(Some);
        let component = self.pick(locked.chain(env_state.lock_entry(None).map(|_| None)))?;
        Ok(Action::Unlock(Unlock {
            component,
            commit: None,
            holds: Vec::new(),
            comment: None,
        }))
    }

    fn lift(&self, env_state: EnvState<'_>) -> Result<Action, String> {
        let commit = self.pick(self.commits.to_vec())?;
        let is_of_commit = |(component, content, _): &(&ComponentName, _, _)| {
            self.snapshot
                .gatherer
                .content(self.policy, commit, component)
                .unwrap()
                == Some(*content)
        };
        let holds: Vec<Hold> = env_state
            .holds()
            .filter(is_of_commit)
            .map(|(component, content, _)| Hold {
                component: component.clone(),
                content,
            })
            .collect();
        let unlock = Unlock {
            component: None,
            commit: Some(commit),
            holds,
            comment: Some(parse("it was the network")),
        };
        if unlock.holds.is_empty() {
            no_subject()
        } else {
            Ok(Action::Unlock(unlock))
        }
    }

    fn baseline(&self) -> Result<Action, String> {
        let commit = self.pick(self.commits.to_vec())?;
        let target = |component: ComponentName| {
            let content = self
                .snapshot
                .gatherer
                .content(self.policy, commit, &component)
                .unwrap()?;
            Some(Target::new(component, commit, Some(content)))
        };
        let components: Vec<Target> = self
            .pick_some(self.policy.component_names())?
            .into_iter()
            .filter_map(target)
            .collect();
        if components.is_empty() {
            no_subject()
        } else {
            Ok(Action::Baseline(Baseline {
                components,
                comment: None,
            }))
        }
    }

    fn evidence(&self, kind: &str, state: &State) -> Result<Action, String> {
        let (commit, component) = (
            self.pick_commit(),
            self.pick(self.policy.component_names())?,
        );
        // Only two digests, so that a yanked artifact is also used.
        let digest = Digest::sha256(&[u8::try_from(self.below(2)).unwrap()]);
        let yank = || Yank {
            commit: (self.below(2) == 0).then_some(commit),
            digest: None,
            contents: Vec::new(),
            reason: parse("it leaks"),
        };
        Ok(match kind {
            "build" => Action::Build(Build {
                component,
                commit,
                result: BuildResult::Succeeded,
                log: None,
            }),
            "artifact" => {
                let content = self
                    .snapshot
                    .gatherer
                    .content(self.policy, commit, &component)
                    .unwrap();
                let Some(content) = content else {
                    return no_subject();
                };
                let image = Image {
                    name: parse(&format!("example.com/{component}")),
                    digest,
                };
                Action::Artifact(Artifact {
                    component,
                    commit,
                    content,
                    image,
                    builder: None,
                })
            }
            "attestation" => {
                let (predicate_type, predicate) = self.pick([
                    (
                        "https://in-toto.io/attestation/test-result/v0.1",
                        r#"{ "result": "PASSED" }"#,
                    ),
                    (
                        "https://in-toto.io/attestation/test-result/v0.1",
                        r#"{ "result": "PASSED" }"#,
                    ),
                    (
                        "https://in-toto.io/attestation/test-result/v0.1",
                        r#"{ "result": "FAILED" }"#,
                    ),
                    (
                        "urn:git-deploy:change-review:v1",
                        r#"{ "approvals": 1, "unresolved": 0 }"#,
                    ),
                ])?;
                let environment = self.pick([None, Some(self.name.clone())])?;
                let (predicate_type, predicate) = (
                    parse(predicate_type),
                    serde_json::from_str(predicate).unwrap(),
                );
                Action::Attestation(Attestation {
                    commit,
                    environment,
                    predicate_type,
                    suite: None,
                    predicate,
                })
            }
            "yank" => {
                let mut it = yank();
                match it.commit {
                    None => it.digest = Some(digest),
                    Some(commit) => {
                        it.contents = find_yanked_contents(self.snapshot, self.policy, commit)?;
                    }
                }
                Action::Yank(it)
            }
            _ => {
                let entries = state.slots().filter_map(|(_, value)| value.entry());
                let yanks = entries.filter_map(|entry| match &entry.statement.action {
                    Action::Yank(it) => Some(it.clone()),
                    _ => None,
                });
                Action::Unyank(Unyank(self.pick(yanks.collect::<Vec<_>>())?))
            }
        })
    }
}

/// Builds a removal of all components, or a command with all running components.
fn of_running_components(kind: DeploymentKind, env_state: EnvState<'_>) -> Deployment {
    let is_removal = kind == DeploymentKind::Destroy;
    let commits = if is_removal {
        env_state.present_commits()
    } else {
        env_state.components()
    };
    let change = |(component, commit): (&ComponentName, CommitId)| {
        ComponentChange::new(
            Target::new(
                component.clone(),
                commit,
                env_state.content(component).filter(|_| !is_removal),
            ),
            env_state.commit(component).filter(|_| is_removal),
        )
    };
    let components = commits.into_iter().map(change).collect();
    Deployment {
        command: (kind == DeploymentKind::Exec).then(|| parse(COMMAND)),
        ..Deployment::new(kind, components)
    }
}

fn start(deployment: Deployment) -> Action {
    Action::Start(Start {
        run: RunId(clock::random().unwrap()),
        deployment,
    })
}

/// Returns the run id of a start or a resume.
fn latest_run_id(action: &Action) -> RunId {
    match action {
        Action::Start(it) => it.run,
        Action::Resume(it) => it.run,
        _ => unreachable!("an owner is a start or a resume"),
    }
}

/// Returns the components that an unfinished run is changing, as its abort lists them.
fn changed_components(run: &OpenRun<'_>) -> Vec<ComponentAtCommit> {
    let changes = run.deployment().into_iter().flat_map(Deployment::changed);
    changes
        .map(|change| ComponentAtCommit {
            component: change.target.component.clone(),
            commit: change.target.commit,
        })
        .collect()
}

//! Statements for tests: strategies that reach every action and every optional field.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::{
    Abort, Action, Approve, Artifact, Attestation, Baseline, Build, BuildResult, ComponentAtCommit,
    ComponentChange, ComponentResult, Deployment, DeploymentKind, Entry, Expire, Finish, Hold,
    Image, Intent, Lock, Outcome, PolicyApprove, PolicyRevoke, Publish, Record, RecordedResult,
    Resume, Revoke, Start, Statement, Target, Unlock, Unverified, Verification, VerificationResult,
    Yank,
};
use crate::domain::id::{CommitId, Content, Digest, EntryId, Oid, PublicKey, RunId};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

/// A few ids, so that random statements speak of the same things.
pub(crate) fn oid() -> impl Strategy<Value = Oid> {
    (1u8..6).prop_map(|byte| Oid::from_bytes(&[byte; 20]).unwrap())
}

fn commit() -> impl Strategy<Value = CommitId> {
    oid().prop_map(CommitId)
}

fn content() -> impl Strategy<Value = Content> {
    oid().prop_map(Content)
}

fn parsed<T: std::str::FromStr + std::fmt::Debug + Clone>(
    words: &'static [&'static str],
) -> impl Strategy<Value = T>
where
    T::Err: std::fmt::Debug,
{
    prop::sample::select(words).prop_map(|word| word.parse().unwrap())
}

fn component() -> impl Strategy<Value = ComponentName> {
    parsed(&["api", "web", "network", "a.b_c-d", "rest"])
}

fn person() -> impl Strategy<Value = Person> {
    parsed(&["alice", "bob", "carol", "ci"])
}

fn line() -> impl Strategy<Value = Line> {
    "[ -~äß日“]{1,40}".prop_filter_map("has margins", |text| text.trim().parse().ok())
}

fn description() -> impl Strategy<Value = Description> {
    "[ -~ä\n]{1,80}".prop_filter_map("has margins", |text| text.trim().parse().ok())
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 2]>().prop_map(|bytes| Digest::sha256(&bytes))
}

fn time() -> impl Strategy<Value = Time> {
    (1_700_000_000i64..1_700_100_000).prop_map(|seconds| Time::from_seconds(seconds).unwrap())
}

fn target(component: ComponentName, gone: bool) -> impl Strategy<Value = Target> {
    let images = btree_map(
        parsed::<Line>(&["ghcr.io/acme/api", "web.tar"]),
        digest(),
        0..3,
    );
    (
        commit(),
        content(),
        option::of(parsed(&["1.4.2", "2026.1"])),
        images,
    )
        .prop_map(move |(commit, content, version, images)| Target {
            component: component.clone(),
            commit,
            content: (!gone).then_some(content),
            version,
            artifacts: images
                .into_iter()
                .map(|(name, digest)| Image { name, digest })
                .collect(),
        })
}

fn names() -> impl Strategy<Value = Vec<ComponentName>> {
    btree_set(component(), 1..4).prop_map(|names| names.into_iter().collect())
}

fn change(
    component: ComponentName,
    kind: DeploymentKind,
) -> impl Strategy<Value = ComponentChange> {
    let intent = match kind {
        DeploymentKind::Exec => Just(Intent::Unchanged).boxed(),
        DeploymentKind::Destroy => Just(Intent::Destroy).boxed(),
        _ => prop::sample::select(vec![Intent::Change, Intent::Unchanged, Intent::Destroy]).boxed(),
    };
    intent.prop_flat_map(move |intent| {
        let fields = (
            target(component.clone(), intent == Intent::Destroy),
            option::of(commit()),
            commit(),
            option::of(digest()),
        );
        fields.prop_map(move |(target, from, sure, plan)| ComponentChange {
            from: match (intent, kind) {
                (_, DeploymentKind::Exec) => Some(target.commit),
                (Intent::Change, _) | (_, DeploymentKind::Destroy) => from,
                _ => Some(sure),
            },
            plan: plan.filter(|_| intent == Intent::Change),
            target,
            intent,
        })
    })
}

fn deployment(kinds: Vec<DeploymentKind>, ephemeral: bool) -> impl Strategy<Value = Deployment> {
    (prop::sample::select(kinds), names()).prop_flat_map(move |(kind, names)| {
        let components: Vec<_> = names.into_iter().map(|name| change(name, kind)).collect();
        let texts = (
            option::of(line()),
            option::of(parsed(&["r1"])),
            option::of(description()),
            line(),
            option::of(line()),
        );
        (
            components,
            btree_set(person(), 0..3),
            texts,
            option::of(commit()),
            option::of(time()),
        )
            .prop_map(
                move |(
                    components,
                    approved_by,
                    (change, release, description, command, break_glass),
                    branch_tip,
                    expires,
                )| Deployment {
                    kind,
                    components,
                    approved_by: approved_by.into_iter().collect(),
                    change,
                    release,
                    description,
                    branch_tip,
                    expires: expires.filter(|_| ephemeral && kind != DeploymentKind::Destroy),
                    command: (kind == DeploymentKind::Exec).then_some(command),
                    break_glass,
                },
            )
    })
}

fn run() -> impl Strategy<Value = RunId> {
    (0u8..3).prop_map(|byte| RunId([byte; 16]))
}

fn result(intent: Intent) -> impl Strategy<Value = (Outcome, VerificationResult)> {
    let outcomes = match intent {
        Intent::Change => vec![
            Outcome::Succeeded,
            Outcome::Failed,
            Outcome::RolledBack,
            Outcome::Skipped,
        ],
        Intent::Unchanged => vec![Outcome::Unchanged, Outcome::Skipped],
        Intent::Destroy => vec![Outcome::Destroyed, Outcome::Failed, Outcome::Skipped],
    };
    let results = vec![
        VerificationResult::Passed,
        VerificationResult::Failed,
        VerificationResult::None,
    ];
    (
        prop::sample::select(outcomes),
        prop::sample::select(results),
    )
        .prop_map(|(outcome, verification)| {
            let passed =
                verification == VerificationResult::Passed && outcome != Outcome::Succeeded;
            (
                outcome,
                if passed {
                    VerificationResult::None
                } else {
                    verification
                },
            )
        })
}

fn ended(component: ComponentName) -> impl Strategy<Value = ComponentResult> {
    prop::sample::select(vec![Intent::Change, Intent::Unchanged, Intent::Destroy]).prop_flat_map(
        move |intent| {
            let fields = (
                target(component.clone(), intent == Intent::Destroy),
                result(intent),
                commit(),
                option::of(self::component()),
            );
            fields.prop_map(
                |(target, (outcome, verification), to, because)| ComponentResult {
                    target,
                    outcome,
                    because: because.filter(|_| outcome == Outcome::Skipped),
                    to: (outcome == Outcome::RolledBack).then_some(to),
                    verification,
                },
            )
        },
    )
}

fn record(ephemeral: bool) -> impl Strategy<Value = Action> {
    let kinds = vec![
        DeploymentKind::Deploy,
        DeploymentKind::Rollback,
        DeploymentKind::Hotfix,
        DeploymentKind::Destroy,
    ];
    (deployment(kinds, ephemeral), vec(line(), 0..2)).prop_flat_map(|(deployment, logs)| {
        let results: Vec<_> = deployment
            .components
            .iter()
            .map(|change| (result(change.intent), commit()))
            .collect();
        results.prop_map(move |results| {
            let report =
                |(change, ((outcome, verification), to)): (&ComponentChange, _)| RecordedResult {
                    component: change.target.component.clone(),
                    outcome,
                    because: None,
                    to: (outcome == Outcome::RolledBack).then_some(to),
                    verification,
                };
            let results = deployment
                .components
                .iter()
                .zip(results)
                .map(report)
                .collect();
            Action::Record(Record {
                deployment: deployment.clone(),
                results,
                logs: logs.clone(),
            })
        })
    })
}

fn finish() -> impl Strategy<Value = Action> {
    let parts = (
        0u64..4,
        run(),
        names(),
        btree_set(person(), 0..2),
        option::of(description()),
        option::of(line()),
        vec(line(), 0..2),
    );
    parts.prop_flat_map(
        |(start, run, names, approved_by, description, break_glass, logs)| {
            let components: Vec<_> = names.into_iter().map(ended).collect();
            components.prop_map(move |components| {
                Action::Finish(Finish {
                    start,
                    run,
                    kind: DeploymentKind::Deploy,
                    components,
                    approved_by: approved_by.iter().cloned().collect(),
                    description: description.clone(),
                    break_glass: break_glass.clone(),
                    status: None,
                    logs: logs.clone(),
                })
            })
        },
    )
}

fn environment_action(ephemeral: bool) -> impl Strategy<Value = Action> {
    let kinds = vec![
        DeploymentKind::Deploy,
        DeploymentKind::Rollback,
        DeploymentKind::Hotfix,
        DeploymentKind::Destroy,
        DeploymentKind::Exec,
    ];
    let baseline = names().prop_flat_map(|names| {
        names
            .into_iter()
            .map(|name| target(name, false))
            .collect::<Vec<_>>()
    });
    let running = (names(), commit(), any::<bool>(), option::of(line()));
    prop_oneof![
        (baseline, option::of(line())).prop_map(|(components, comment)| Action::Baseline(
            Baseline {
                components,
                comment
            }
        )),
        (run(), deployment(kinds, ephemeral))
            .prop_map(|(run, deployment)| Action::Start(Start { run, deployment })),
        (0u64..4, run()).prop_map(|(start, run)| Action::Resume(Resume { start, run })),
        finish(),
        record(ephemeral),
        (
            0u64..4,
            run(),
            btree_map(component(), commit(), 0..4),
            line()
        )
            .prop_map(|(start, run, aborted, reason)| {
                let components = aborted
                    .into_iter()
                    .map(|(component, commit)| ComponentAtCommit { component, commit })
                    .collect();
                Action::Abort(Abort {
                    start,
                    run,
                    components,
                    reason,
                })
            }),
        running.prop_map(
            |(names, commit, passed, comment)| Action::Verification(Verification {
                components: names
                    .into_iter()
                    .map(|component| ComponentAtCommit { component, commit })
                    .collect(),
                verification: if passed {
                    VerificationResult::Passed
                } else {
                    VerificationResult::Failed
                },
                comment,
                logs: Vec::new(),
            })
        ),
        (
            commit(),
            names(),
            option::of(digest()),
            time(),
            option::of(line())
        )
            .prop_map(|(commit, components, plan, expires, comment)| {
                let plans = plan
                    .map(|plan| (components[0].clone(), plan))
                    .into_iter()
                    .collect();
                Action::Approve(Approve {
                    commit,
                    components,
                    plans,
                    expires,
                    comment,
                })
            }),
        (commit(), person(), option::of(line())).prop_map(|(commit, approver, comment)| {
            Action::Revoke(Revoke {
                commit,
                approver,
                comment,
            })
        }),
        (option::of(component()), line())
            .prop_map(|(component, reason)| Action::Lock(Lock { component, reason })),
        option::of(component()).prop_map(|component| Action::Unlock(Unlock {
            component,
            commit: None,
            holds: Vec::new(),
            comment: None
        })),
        (commit(), component(), content(), option::of(line())).prop_map(
            |(commit, component, content, comment)| {
                Action::Unlock(Unlock {
                    component: None,
                    commit: Some(commit),
                    holds: vec![Hold { component, content }],
                    comment,
                })
            }
        ),
        (time(), option::of(line()))
            .prop_map(|(expires, comment)| Action::Expire(Expire { expires, comment })),
    ]
}

fn evidence_action() -> impl Strategy<Value = Action> {
    let yank = prop_oneof![
        commit().prop_map(|it| (Some(it), None)),
        digest().prop_map(|it| (None, Some(it)))
    ];
    let predicate = prop::sample::select(vec![
        serde_json::json!({ "result": "PASSED", "passedTests": ["a\nb", "c"], "ratio": 87.5, "deep": { "a": [1, null, true] } }),
        serde_json::json!({ "approvals": 2, "unresolved": 0 }),
        serde_json::json!({}),
    ]);
    let types = parsed(&[
        "https://in-toto.io/attestation/test-result/v0.1",
        "urn:git-deploy:change-review:v1",
        "https://slsa.dev/provenance/v1",
    ]);
    prop_oneof![
        (component(), commit(), any::<bool>(), option::of(line())).prop_map(
            |(component, commit, good, log)| {
                Action::Build(Build {
                    component,
                    commit,
                    result: if good {
                        BuildResult::Succeeded
                    } else {
                        BuildResult::Failed
                    },
                    log,
                })
            }
        ),
        (
            component(),
            commit(),
            content(),
            digest(),
            option::of(line())
        )
            .prop_map(|(component, commit, content, digest, builder)| {
                Action::Artifact(Artifact {
                    component,
                    commit,
                    content,
                    image: Image {
                        name: "img".parse().unwrap(),
                        digest,
                    },
                    builder,
                })
            }),
        (
            commit(),
            option::of(parsed(&["stage"])),
            types,
            option::of(parsed(&["e2e"])),
            predicate
        )
            .prop_map(|(commit, environment, predicate_type, suite, predicate)| {
                Action::Attestation(Attestation {
                    commit,
                    environment,
                    predicate_type,
                    suite,
                    predicate: predicate.as_object().unwrap().clone(),
                })
            }),
        (yank, line(), any::<bool>()).prop_map(|((commit, digest), reason, open)| {
            let yank = Yank {
                commit,
                digest,
                reason,
            };
            if open {
                Action::Yank(yank)
            } else {
                Action::Unyank(yank)
            }
        }),
    ]
}

fn policy_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (
            digest(),
            btree_set(person(), 0..2),
            option::of(description()),
            btree_set(oid(), 0..2),
            any::<bool>()
        )
            .prop_map(|(digest, approved_by, description, admits, recovered)| {
                Action::Publish(Publish {
                    digest,
                    approved_by: approved_by.into_iter().collect(),
                    description,
                    admits: admits.into_iter().map(EntryId).collect(),
                    recovered,
                })
            }),
        (digest(), option::of(line()))
            .prop_map(|(digest, comment)| Action::PolicyApprove(PolicyApprove { digest, comment })),
        (digest(), person(), option::of(line())).prop_map(|(digest, approver, comment)| {
            Action::PolicyRevoke(PolicyRevoke {
                digest,
                approver,
                comment,
            })
        }),
    ]
}

/// Any statement that prints.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    let pr: Option<EnvName> = Some("pr-17".parse().unwrap());
    let place = prop_oneof![
        8 => environment_action(false).prop_map(|action| ("prod", None, action)),
        2 => environment_action(true).prop_map(move |action| ("pr", pr.clone(), action)),
        3 => evidence_action().prop_map(|action| ("evidence", None, action)),
        2 => policy_action().prop_map(|action| ("policy", None, action)),
    ];
    (
        place,
        time(),
        person(),
        option::of(person()),
        (oid(), oid()),
        1u64..20,
        oid(),
    )
        .prop_map(
            |(
                (ledger, environment, action),
                at,
                by,
                requested_by,
                (project, previous),
                sequence,
                seen,
            )| {
                let ledger: LedgerName = ledger.parse().unwrap();
                let seen = if ledger.is_policy() {
                    "dev".parse().unwrap()
                } else {
                    LedgerName::policy()
                }
                .pipe(|name| [(name, EntryId(seen))].into());
                Statement {
                    at,
                    by,
                    requested_by,
                    ledger,
                    environment,
                    project: EntryId(project),
                    previous: EntryId(previous),
                    sequence,
                    seen,
                    action,
                }
            },
        )
}

trait Pipe: Sized {
    fn pipe<T>(self, f: impl FnOnce(Self) -> T) -> T {
        f(self)
    }
}

impl Pipe for LedgerName {}

/// A statement as an entry whose signature somebody is said to have checked.
pub(crate) fn verified(statement: &Statement) -> Entry {
    let bytes = statement.print().unwrap();
    Entry::<Unverified>::parse(&bytes, b"")
        .unwrap()
        .assume_verified(PublicKey::new([0; 8], [1; 32]))
}

//! Group 9: a stolen key of a machine chooses the rules that it is judged by: another kind of action, another environment, another word.

use git_deploy::domain::entry::{
    Abort, Action, Approve, Baseline, ComponentAtCommit, DeploymentKind, Expire, Finish, Hold,
    Intent, Outcome, Record, Resume, Revoke, Start, Statement, Unlock, Unyank, Verification,
    VerificationResult, Yank,
};
use git_deploy::domain::id::{CommitId, Content, RunId};
use git_deploy::domain::time::Span;

use crate::harness::{Forge, Project, Siege, World};

const POLICY: &str = r#"[environments]
dev = {}
lab = { deployers = "bob" }

[environments.prod]
promote_from = "dev"
soak = "1h"
deployers = "ci"
approvals = { required = 1, by = ["bob", "carol"] }
checks = ["test-result"]
break_glass = { by = ["carol", "ci"] }
hotfix = { by = "bob", skip = ["promote_from", "soak"] }
exec_by = "bob"
rollback_by = ["ci", "carol"]

[environments."pr-*"]
ephemeral = { ttl = "8h", limit = 1 }

[checks]
test-result = { by = "bob" }

[artifacts]
by = ["alice", "bob"]
"#;

/// The rules that must say no.
type Rules = &'static [&'static str];
/// What makes an honest end another one.
type Bend<'a> = &'a dyn Fn(&mut Finish);

fn record(statement: &mut Statement) -> &mut Record {
    let Action::Record(record) = &mut statement.action else {
        panic!("not a record")
    };
    record
}

/// Prod runs `one`, was at `zero` before, and `two` is on its way; a failed attempt of it is on hold.
struct Stage<'w> {
    project: Project<'w>,
    zero: CommitId,
    one: CommitId,
    two: CommitId,
}

fn stage(world: &World) -> Stage<'_> {
    let project = Project::new(world, POLICY);
    let (bob, ci) = (&project.bob, &project.ci);
    let id = |hex: String| CommitId(hex.parse().unwrap());
    let mut commits = vec![id(ci.repo.rev("HEAD"))];
    for content in ["", "one\n", "two\n"] {
        if !content.is_empty() {
            commits.push(id(project.push("api/x", &format!("{content}{content}"))));
        }
        ci.deploy(&["record", "dev", "--verification", "passed"])
            .ok();
        bob.deploy(&["attest", "test-result", "--result", "passed"])
            .ok();
        bob.deploy(&["approve", "prod"]).ok();
        world.advance("61m");
        if content != "two\n" {
            ci.deploy(&["record", "prod", "--verification", "passed"])
                .ok();
        }
    }
    ci.deploy(&["record", "prod", "--failed"]).ok();
    project
        .carol
        .deploy(&["lock", "prod", "-m", "incident"])
        .ok();
    ci.deploy(&["sync"]).ok();
    Stage {
        zero: commits[0],
        one: commits[1],
        two: commits[2],
        project,
    }
}

/// A deployment of the one component, of any kind, to any commit.
fn deployment(
    ci: &Forge<'_>,
    kind: DeploymentKind,
    commit: CommitId,
    from: Option<CommitId>,
) -> Action {
    let Action::Record(mut record) = ci.a_record(&commit.to_string(), None) else {
        panic!("not a record")
    };
    record.deployment.kind = kind;
    record.deployment.components[0].from = from;
    Action::Record(record)
}

/// Backwards, sideways, over the glass, past the stages: each way has its own rules, and none of them asks fewer than it should.
#[test]
fn other_kinds() {
    let world = World::new();
    let Stage {
        project,
        zero,
        one,
        two,
    } = stage(&world);
    let (alice, ci) = (&project.alice, &project.ci);
    project.carol.deploy(&["unlock", "prod"]).ok();
    ci.deploy(&["sync"]).ok();
    let siege = Siege::of(&project);
    // Commits that never ran here: a new one, an old one's twin, one whose content ran and that brings more besides.
    let twin = |of: &CommitId| {
        let tree = format!("{of}^{{tree}}");
        let twin = alice
            .repo
            .git(&["commit-tree", "-m", "a twin", &tree])
            .ok()
            .text();
        alice.push(&[&format!("+{twin}:refs/heads/twin")]).ok();
        ci.repo.git(&["fetch", "-q"]).ok();
        CommitId(twin.parse().unwrap())
    };
    let never = {
        let id = project.commit("api/x", "never\n");
        alice.push(&["HEAD:refs/heads/topic"]).ok();
        ci.repo.git(&["fetch", "-q"]).ok();
        CommitId(id.parse().unwrap())
    };
    let twin = twin(&zero);
    let kinds = |kind, commit, glass: Option<&str>| {
        ci.build(
            "prod",
            deployment(ci, kind, commit, Some(one)),
            None,
            |it| {
                record(it).deployment.break_glass = glass.map(|reason| reason.parse().unwrap());
            },
        )
    };
    let table: [(&str, DeploymentKind, CommitId, Option<&str>, Rules); 10] = [
        (
            "a rollback to what never ran",
            DeploymentKind::Rollback,
            never,
            None,
            &["fast-forward"],
        ),
        (
            "a rollback to what failed and is on hold",
            DeploymentKind::Rollback,
            two,
            None,
            &["fast-forward", "hold"],
        ),
        (
            "a rollback to a twin of what ran",
            DeploymentKind::Rollback,
            twin,
            None,
            &["fast-forward"],
        ),
        (
            "a deployment of what never ran",
            DeploymentKind::Deploy,
            never,
            None,
            &["approvals", "checks", "previous environment", "soak"],
        ),
        (
            "a deployment of what is on hold",
            DeploymentKind::Deploy,
            two,
            None,
            &["approvals", "hold"],
        ),
        (
            "a hotfix",
            DeploymentKind::Hotfix,
            never,
            None,
            &["approvals", "authorization", "checks"],
        ),
        (
            "a hotfix backwards",
            DeploymentKind::Hotfix,
            zero,
            None,
            &["approvals", "authorization", "fast-forward"],
        ),
        (
            "the glass broken",
            DeploymentKind::Deploy,
            never,
            Some("I may not"),
            &["authorization"],
        ),
        (
            "the glass broken for a rollback",
            DeploymentKind::Rollback,
            never,
            Some("I may not"),
            &["authorization"],
        ),
        (
            "the glass broken for a hotfix",
            DeploymentKind::Hotfix,
            never,
            Some("I may not"),
            &["authorization"],
        ),
    ];
    for (attack, kind, commit, glass, rules) in table {
        siege.entry(attack, rules, ci, "prod", &kinds(kind, commit, glass));
        // Begun or recorded, it is the same.
        let start = ci.build(
            "prod",
            deployment(ci, kind, commit, Some(one)),
            None,
            |it| {
                let mut deployment = record(it).deployment.clone();
                deployment.break_glass = glass.map(|reason| reason.parse().unwrap());
                it.action = Action::Start(Start {
                    run: RunId([7; 16]),
                    deployment,
                });
            },
        );
        siege.entry(&format!("{attack}, begun"), rules, ci, "prod", &start);
    }
    // A command, a destruction, and what is said to have gone wrong and been taken back to elsewhere.
    let exec = |components: bool| {
        ci.build(
            "prod",
            deployment(ci, DeploymentKind::Exec, one, Some(one)),
            None,
            |it| {
                let mut deployment = record(it).deployment.clone();
                deployment.command = Some("rm -rf /".parse().unwrap());
                deployment.components[0].intent = Intent::Unchanged;
                deployment.components.truncate(usize::from(components));
                it.action = Action::Start(Start {
                    run: RunId([7; 16]),
                    deployment,
                });
            },
        )
    };
    siege.entry(
        "a command",
        &["approvals", "authorization"],
        ci,
        "prod",
        &exec(true),
    );
    siege.entry(
        "a command about nothing",
        &["approvals", "authorization"],
        ci,
        "prod",
        &exec(false),
    );
    let destroy = ci.build(
        "prod",
        deployment(ci, DeploymentKind::Destroy, one, Some(one)),
        None,
        |it| {
            let record = record(it);
            (
                record.deployment.components[0].intent,
                record.deployment.components[0].target.content,
            ) = (Intent::Destroy, None);
            (record.results[0].outcome, record.results[0].verification) =
                (Outcome::Destroyed, VerificationResult::None);
        },
    );
    siege.entry(
        "all of prod destroyed",
        &["approvals", "state"],
        ci,
        "prod",
        &destroy,
    );
    let back = ci.build(
        "prod",
        deployment(ci, DeploymentKind::Rollback, zero, Some(one)),
        None,
        |it| {
            let result = &mut record(it).results[0];
            (result.outcome, result.to, result.verification) =
                (Outcome::RolledBack, Some(never), VerificationResult::None);
        },
    );
    siege.entry(
        "rolled back to what never ran, in passing",
        &["state"],
        ci,
        "prod",
        &back,
    );
    let lab = ci.build(
        "lab",
        deployment(ci, DeploymentKind::Deploy, never, None),
        None,
        |_| (),
    );
    siege.entry(
        "an environment of others",
        &["authorization"],
        ci,
        "lab",
        &lab,
    );
    // What a stolen key may, it may: back to what ran well.
    ci.push(&[&format!(
        "{}:refs/deploy/prod",
        kinds(DeploymentKind::Rollback, zero, None)
    )])
    .ok();
    siege.end();
}

/// Every other action of a ledger, by a key that may deploy and nothing else.
#[test]
fn other_actions() {
    let world = World::new();
    let Stage {
        project,
        zero,
        one,
        two,
    } = stage(&world);
    let (ci, carol) = (&project.ci, &project.carol);
    let siege = Siege::of(&project);
    let content =
        |commit: CommitId| Content(ci.repo.rev(&format!("{commit}^{{tree}}")).parse().unwrap());
    let demo = || "demo".parse().unwrap();
    let reason = || "because".parse().unwrap();
    let run = RunId([7; 16]);
    let target = match deployment(ci, DeploymentKind::Deploy, two, None) {
        Action::Record(record) => record.deployment.components[0].target.clone(),
        _ => panic!("not a record"),
    };
    let expires = world.now().plus(Span::from_seconds(3600));
    let holds = vec![Hold {
        component: demo(),
        content: content(two),
    }];
    let actions: Vec<(&str, Rules, Action)> = vec![
        (
            "unlock",
            &["authorization"],
            Action::Unlock(Unlock {
                component: None,
                commit: None,
                holds: vec![],
                comment: None,
            }),
        ),
        (
            "lift its own hold",
            &["authorization"],
            Action::Unlock(Unlock {
                component: None,
                commit: Some(two),
                holds,
                comment: None,
            }),
        ),
        (
            "lift another's hold",
            &["authorization", "state"],
            Action::Unlock(Unlock {
                component: None,
                commit: Some(zero),
                holds: vec![Hold {
                    component: demo(),
                    content: content(zero),
                }],
                comment: None,
            }),
        ),
        (
            "approve",
            &["authorization"],
            Action::Approve(Approve {
                commit: two,
                components: vec![demo()],
                plans: [].into(),
                expires,
                comment: None,
            }),
        ),
        (
            "revoke",
            &["authorization"],
            Action::Revoke(Revoke {
                commit: two,
                approver: "bob".parse().unwrap(),
                comment: None,
            }),
        ),
        (
            "a baseline",
            &["authorization", "state"],
            Action::Baseline(Baseline {
                components: vec![target],
                comment: None,
            }),
        ),
        (
            "resume",
            &["state"],
            Action::Resume(Resume { start: 1, run }),
        ),
        (
            "abort",
            &["state"],
            Action::Abort(Abort {
                start: 1,
                run,
                components: vec![ComponentAtCommit {
                    component: demo(),
                    commit: one,
                }],
                reason: reason(),
            }),
        ),
        (
            "renew what does not expire",
            &["state"],
            Action::Expire(Expire {
                expires,
                comment: None,
            }),
        ),
        (
            "verify what does not run",
            &["content"],
            Action::Verification(Verification {
                components: vec![ComponentAtCommit {
                    component: demo(),
                    commit: two,
                }],
                verification: VerificationResult::Passed,
                comment: None,
                logs: vec![],
            }),
        ),
    ];
    for (attack, rules, action) in actions {
        siege.entry(
            attack,
            rules,
            ci,
            "prod",
            &ci.build("prod", action, None, |_| ()),
        );
    }
    siege.refused("deploy past a lock", &["hold", "lock"], || {
        ci.deploy(&["record", "prod", &two.to_string(), "--no-verify"])
    });
    siege.refused("roll back past a person's lock", &["lock"], || {
        ci.deploy(&[
            "record",
            "prod",
            &zero.to_string(),
            "--rollback",
            "--no-verify",
        ])
    });
    carol.deploy(&["unlock", "prod"]).ok();
    other_words(&project, &siege, (one, two));
    siege.end();
}

/// What it may not vouch for, register or take back, and how many environments it may have for how long.
fn other_words<'w>(project: &Project<'w>, siege: &Siege<'_, 'w>, (one, two): (CommitId, CommitId)) {
    let (ci, world) = (&project.ci, project.world);
    siege.refused("vouch", &["authorization"], || {
        ci.deploy(&["attest", "test-result", "--result", "passed", "--no-verify"])
    });
    siege.refused("register", &["authorization"], || {
        ci.deploy(&[
            "register",
            &format!("x/y@sha256:{}", "1".repeat(64)),
            "--no-verify",
        ])
    });
    let yank = Yank {
        commit: Some(two),
        digest: None,
        reason: "because".parse().unwrap(),
    };
    ci.deploy(&["sync"]).ok();
    ci.append("evidence", Action::Yank(yank.clone()), None, |_| ());
    ci.push(&["refs/deploy/evidence"]).ok();
    siege.entry(
        "take its own yank back",
        &["authorization"],
        ci,
        "evidence",
        &ci.build("evidence", Action::Unyank(Unyank(yank)), None, |_| ()),
    );
    // More environments than there may be, and longer than they may live.
    ci.deploy(&["record", "pr-1", &one.to_string()]).ok();
    siege.refused("one environment too many", &["state"], || {
        ci.deploy(&["record", "pr-2", &one.to_string(), "--no-verify"])
    });
    ci.deploy(&["sync"]).ok();
    let longer = Action::Expire(Expire {
        expires: world.now().plus(Span::from_seconds(8 * 3600 + 1)),
        comment: None,
    });
    let longer = ci.build("pr", longer, None, |it| {
        it.environment = Some("pr-1".parse().unwrap())
    });
    siege.entry("longer than it may live", &["state"], ci, "pr", &longer);
    let another = ci.build(
        "pr",
        deployment(ci, DeploymentKind::Deploy, one, None),
        None,
        |it| {
            it.environment = Some("pr-2".parse().unwrap());
        },
    );
    siege.entry(
        "without an end, and one too many",
        &["state"],
        ci,
        "pr",
        &another,
    );
}

/// A run that went through every gate ends as what it was begun as.
#[test]
fn other_ends() {
    let world = World::new();
    let Stage {
        project,
        zero,
        one,
        two,
    } = stage(&world);
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    carol
        .deploy(&["unlock", "prod", "--commit", &two.to_string()])
        .ok();
    carol.deploy(&["unlock", "prod"]).ok();
    bob.deploy(&["approve", "prod", &two.to_string()]).ok();
    ci.deploy(&["record", "prod", "--start"]).ok();
    for forge in [bob, carol, ci] {
        forge.deploy(&["sync"]).ok();
    }
    let bytes = ci.bytes("blob", "refs/deploy/prod:entry.json");
    let began = Statement::parse(&bytes).unwrap();
    let Action::Start(start) = &began.action else {
        panic!("not a start")
    };
    let ended = git_deploy::domain::entry::ComponentResult {
        target: start.deployment.components[0].target.clone(),
        outcome: Outcome::Succeeded,
        because: None,
        to: None,
        verification: VerificationResult::Passed,
    };
    let honest = Finish {
        start: began.sequence,
        run: start.run,
        kind: start.deployment.kind,
        components: vec![ended],
        approved_by: start.deployment.approved_by.clone(),
        description: start.deployment.description.clone(),
        break_glass: None,
        status: None,
        logs: vec![],
    };
    let siege = Siege::of(&project);
    let mount = |attack: &str, forge, rules: &[&str], bend: &dyn Fn(&mut Finish)| {
        let forge: &Forge<'_> = forge;
        let mut finish = honest.clone();
        bend(&mut finish);
        let id = forge.build("prod", Action::Finish(finish), None, |_| ());
        siege.entry(attack, rules, forge, "prod", &id);
    };
    let bends: [(&str, Rules, Bend<'_>); 12] = [
        ("of another commit", &["state"], &|it| {
            it.components[0].target.commit = one
        }),
        ("of another content", &["state"], &|it| {
            it.components[0].target.content = Some(Content(
                ci.repo.rev(&format!("{zero}^{{tree}}")).parse().unwrap(),
            ));
        }),
        ("of another component", &["state"], &|it| {
            it.components[0].target.component = "db".parse().unwrap()
        }),
        ("of another version", &["state"], &|it| {
            it.components[0].target.version = Some("9".parse().unwrap())
        }),
        (
            "of a start that never was",
            &["authorization", "state"],
            &|it| it.start = 1,
        ),
        ("of another run", &["state"], &|it| it.run = RunId([9; 16])),
        ("as another kind", &["state"], &|it| {
            it.kind = DeploymentKind::Rollback
        }),
        ("approved by more", &["state"], &|it| {
            it.approved_by = vec!["bob".parse().unwrap(), "carol".parse().unwrap()]
        }),
        ("approved by nobody", &["state"], &|it| {
            it.approved_by.clear()
        }),
        ("with the glass broken", &["state"], &|it| {
            it.break_glass = Some("x".parse().unwrap())
        }),
        ("with another description", &["state"], &|it| {
            it.description = Some("x".parse().unwrap())
        }),
        ("rolled back to what never ran", &["state"], &|it| {
            (it.components[0].outcome, it.components[0].to) = (Outcome::RolledBack, Some(zero));
            it.components[0].verification = VerificationResult::None;
        }),
    ];
    for (attack, rules, bend) in bends {
        mount(attack, ci, rules, bend);
    }
    mount("by another", bob, &["authorization"], &|_| ());
    // Nothing else is begun meanwhile, whatever it is called.
    let other = ci.build(
        "prod",
        deployment(ci, DeploymentKind::Deploy, two, Some(one)),
        None,
        |it| {
            record(it).deployment.approved_by = vec!["bob".parse().unwrap()];
        },
    );
    siege.entry("a record beside it", &["lock"], ci, "prod", &other);
    let resume = carol.build(
        "prod",
        Action::Resume(Resume {
            start: began.sequence,
            run: RunId([9; 16]),
        }),
        None,
        |_| (),
    );
    siege.entry(
        "resumed by who may not deploy",
        &["authorization"],
        carol,
        "prod",
        &resume,
    );
    let same = ci.build(
        "prod",
        Action::Resume(Resume {
            start: began.sequence,
            run: start.run,
        }),
        None,
        |_| (),
    );
    siege.entry(
        "resumed under its own number",
        &["state"],
        ci,
        "prod",
        &same,
    );
    let finish = ci.build("prod", Action::Finish(honest.clone()), None, |_| ());
    ci.push(&[&format!("{finish}:refs/deploy/prod")]).ok();
    ci.deploy(&["sync"]).ok();
    let again = ci.build("prod", Action::Finish(honest.clone()), None, |_| ());
    siege.entry(
        "ended twice",
        &["authorization", "state"],
        ci,
        "prod",
        &again,
    );
    siege.end();
}

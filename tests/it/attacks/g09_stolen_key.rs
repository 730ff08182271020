//! Group 9: a stolen machine key that tries to choose the rules it faces: another kind of action,
//! environment or wording.

use git_deploy::testing::domain::entry::{
    Abort, Action, ApprovalPurpose, Approve, Baseline, ComponentAtCommit, DeploymentKind, Expire,
    Finish, Hold, Outcome, Record, Resume, Revoke, Start, Statement, Unlock, Unyank, Verification,
    VerificationResult, Yank,
};
use git_deploy::testing::domain::id::{CommitId, Content, RunId};
use git_deploy::testing::domain::time::Span;

use crate::harness::run_entries::{finish, read_start};
use crate::harness::{AttackRunner, Member, Project, World};

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

/// The rules that must refuse.
type Rules = &'static [&'static str];
/// An edit of an honest finish.
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
        world.advance("66m");
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

/// Makes a deployment of the one component, of any kind, to any commit.
fn deployment(
    ci: &Member<'_>,
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

/// Rollbacks, break-glass, hotfixes and records face all of their rules.
#[test]
fn every_kind_of_deployment_has_its_rules() {
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
    let attacks = AttackRunner::of(&project);
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
        attacks.refused_entry(attack, rules, ci, "prod", &kinds(kind, commit, glass));
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
        attacks.refused_entry(&format!("{attack}, begun"), rules, ci, "prod", &start);
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
                deployment.components[0].from = None;
                deployment.components.truncate(usize::from(components));
                it.action = Action::Start(Start {
                    run: RunId([7; 16]),
                    deployment,
                });
            },
        )
    };
    attacks.refused_entry(
        "a command",
        &["approvals", "authorization"],
        ci,
        "prod",
        &exec(true),
    );
    attacks.refused_entry(
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
            record.deployment.components[0].target.content = None;
            (record.results[0].outcome, record.results[0].verification) =
                (Outcome::Destroyed, VerificationResult::None);
        },
    );
    attacks.refused_entry(
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
    attacks.refused_entry(
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
    attacks.refused_entry(
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
    attacks.finish();
}

/// A key that may deploy cannot write any other action.
#[test]
fn a_deployers_key_can_only_deploy() {
    let world = World::new();
    let Stage {
        project,
        zero,
        one,
        two,
    } = stage(&world);
    let (ci, carol) = (&project.ci, &project.carol);
    let attacks = AttackRunner::of(&project);
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
                purpose: ApprovalPurpose::Deploy,
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
            Action::Resume(Resume {
                start: 1,
                run,
                reason: Some("lost".parse().unwrap()),
            }),
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
        attacks.refused_entry(
            attack,
            rules,
            ci,
            "prod",
            &ci.build("prod", action, None, |_| ()),
        );
    }
    attacks.refused("deploy past a lock", &["hold", "lock"], || {
        ci.deploy(&["record", "prod", &two.to_string(), "--no-verify"])
    });
    attacks.refused("roll back past a person's lock", &["lock"], || {
        ci.deploy(&[
            "record",
            "prod",
            &zero.to_string(),
            "--rollback",
            "--no-verify",
        ])
    });
    carol.deploy(&["unlock", "prod"]).ok();
    other_words(&project, &attacks, (one, two));
    attacks.finish();
}

/// Tries what the key may not attest, register or revoke, and to create environments beyond their
/// number and time.
fn other_words<'w>(
    project: &Project<'w>,
    attacks: &AttackRunner<'_, 'w>,
    (one, two): (CommitId, CommitId),
) {
    let (ci, world) = (&project.ci, project.world);
    attacks.refused("vouch", &["authorization"], || {
        ci.deploy(&["attest", "test-result", "--result", "passed", "--no-verify"])
    });
    attacks.refused("register", &["authorization"], || {
        ci.deploy(&[
            "register",
            &format!("x/y@sha256:{}", "1".repeat(64)),
            "--no-verify",
        ])
    });
    let yank = Yank {
        commit: Some(two),
        digest: None,
        contents: Vec::new(),
        reason: "because".parse().unwrap(),
    };
    ci.deploy(&["sync"]).ok();
    ci.append("evidence", Action::Yank(yank.clone()), None, |_| ());
    ci.push(&["refs/deploy/evidence"]).ok();
    attacks.refused_entry(
        "take its own yank back",
        &["authorization"],
        ci,
        "evidence",
        &ci.build("evidence", Action::Unyank(Unyank(yank)), None, |_| ()),
    );
    // More environments than there may be, and longer than they may live.
    ci.deploy(&["record", "pr-1", &one.to_string()]).ok();
    attacks.refused("one environment too many", &["state"], || {
        ci.deploy(&["record", "pr-2", &one.to_string(), "--no-verify"])
    });
    ci.deploy(&["sync"]).ok();
    let longer = Action::Expire(Expire {
        expires: world.now().plus(Span::from_seconds(8 * 3600 + 1)),
        comment: None,
    });
    let longer = ci.build("pr", longer, None, |it| {
        it.environment = Some("pr-1".parse().unwrap());
    });
    attacks.refused_entry("longer than it may live", &["state"], ci, "pr", &longer);
    let another = ci.build(
        "pr",
        deployment(ci, DeploymentKind::Deploy, one, None),
        None,
        |it| {
            it.environment = Some("pr-2".parse().unwrap());
        },
    );
    attacks.refused_entry(
        "without an end, and one too many",
        &["state"],
        ci,
        "pr",
        &another,
    );
}

/// A run that passed every rule can only end as what it was begun as.
#[test]
fn a_run_ends_as_it_began() {
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
    for member in [bob, carol, ci] {
        member.deploy(&["sync"]).ok();
    }
    let begun = read_start(ci, "prod");
    let Action::Finish(mut honest) = finish(&begun) else {
        panic!("not a finish")
    };
    let (sequence, start) = begun;
    honest.approved_by = start.deployment.approved_by.clone();
    let attacks = AttackRunner::of(&project);
    let mount = |attack: &str, member, rules: &[&str], bend: &dyn Fn(&mut Finish)| {
        let member: &Member<'_> = member;
        let mut finish = honest.clone();
        bend(&mut finish);
        let id = member.build("prod", Action::Finish(finish), None, |_| ());
        attacks.refused_entry(attack, rules, member, "prod", &id);
    };
    let bends: [(&str, Rules, Bend<'_>); 12] = [
        ("of another commit", &["state"], &|it| {
            it.components[0].target.commit = one;
        }),
        ("of another content", &["state"], &|it| {
            it.components[0].target.content = Some(Content(
                ci.repo.rev(&format!("{zero}^{{tree}}")).parse().unwrap(),
            ));
        }),
        ("of another component", &["state"], &|it| {
            it.components[0].target.component = "db".parse().unwrap();
        }),
        ("of another version", &["state"], &|it| {
            it.components[0].target.version = Some("9".parse().unwrap());
        }),
        (
            "of a start that never was",
            &["authorization", "state"],
            &|it| {
                it.start = 1;
            },
        ),
        ("of another run", &["state"], &|it| it.run = RunId([9; 16])),
        ("as another kind", &["state"], &|it| {
            it.kind = DeploymentKind::Rollback;
        }),
        ("approved by more", &["state"], &|it| {
            it.approved_by = vec!["bob".parse().unwrap(), "carol".parse().unwrap()];
        }),
        ("approved by nobody", &["state"], &|it| {
            it.approved_by.clear();
        }),
        ("with the glass broken", &["state"], &|it| {
            it.break_glass = Some("x".parse().unwrap());
        }),
        ("with another description", &["state"], &|it| {
            it.description = Some("x".parse().unwrap());
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
    attacks.refused_entry("a record beside it", &["lock"], ci, "prod", &other);
    let resume = carol.build(
        "prod",
        Action::Resume(Resume {
            start: sequence,
            run: RunId([9; 16]),
            reason: Some("lost".parse().unwrap()),
        }),
        None,
        |_| (),
    );
    attacks.refused_entry(
        "resumed by who may not deploy",
        &["authorization"],
        carol,
        "prod",
        &resume,
    );
    let same = ci.build(
        "prod",
        Action::Resume(Resume {
            start: sequence,
            run: start.run,
            reason: Some("lost".parse().unwrap()),
        }),
        None,
        |_| (),
    );
    attacks.refused_entry(
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
    attacks.refused_entry(
        "ended twice",
        &["authorization", "state"],
        ci,
        "prod",
        &again,
    );
    attacks.finish();
}

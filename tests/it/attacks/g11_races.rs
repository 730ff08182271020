//! Group 11: of two pushes that cross, each in the order that is worst: one is judged and waits, the other goes in, and then the first
//! goes on. What was true when it was judged is true no more.
//!
//! The hook that moves refs waits for a word of the test. Races as they come are in `races.rs`.

use std::collections::BTreeSet;

use git_deploy::testing::domain::entry::{
    Action, Record, Resume, Revoke, Start, Statement, Unyank, Yank,
};
use git_deploy::testing::domain::id::{CommitId, RunId};

use crate::harness::attack::an_entry;
use crate::harness::member::a_lock;
use crate::harness::run_entries::{abort, finish, read_start};
use crate::harness::{Member, Project, RawPush, Run, World, processes_in, wait_until};

const POLICY: &str = r#"[environments]
dev = {}
stage = {}
[environments.prod]
promote_from = "stage"
approvals = { required = 1, by = ["bob", "carol"] }
checks = ["test-result"]
[checks]
test-result = { by = ["bob", "ci"] }
"#;

/// Returns a project whose commit is ready for prod, on a server whose hook waits when the test
/// asks for it.
fn ready(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    project
        .ci
        .deploy(&["record", "stage", "--verification", "passed"])
        .ok();
    project
        .ci
        .deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    project.bob.deploy(&["approve", "prod"]).ok();
    let hooks = project.server.path().join("hooks");
    std::fs::create_dir(hooks.join("real")).unwrap();
    std::fs::rename(hooks.join("proc-receive"), hooks.join("real/proc-receive")).unwrap();
    let script = "#!/bin/sh\nif mv wait waiting 2>/dev/null; then until test -e go; do sleep 0.01; done; fi\nexec hooks/real/proc-receive\n";
    project.server.hook("proc-receive", script);
    sync(&project);
    project
}

fn sync(project: &Project<'_>) {
    for member in [&project.alice, &project.bob, &project.carol, &project.ci] {
        member.deploy(&["sync"]).ok();
    }
}

/// Runs a push until it is judged, then another one to its end, and then lets the first continue.
fn crossed<'w>(
    project: &Project<'w>,
    first: impl FnOnce() -> Run<'w> + Send,
    second: impl FnOnce(),
) -> Run<'w> {
    let file = |name: &str| project.server.path().join(name);
    std::fs::write(file("wait"), "").unwrap();
    let run = std::thread::scope(|scope| {
        let first = scope.spawn(first);
        wait_until("the first push never came so far", || {
            assert!(!first.is_finished(), "the first push was not judged");
            file("waiting").exists()
        });
        second();
        std::fs::write(file("go"), "").unwrap();
        first.join().unwrap()
    });
    for name in ["waiting", "go"] {
        std::fs::remove_file(file(name)).unwrap();
    }
    run
}

/// Checks that the first of two crossing pushes is refused for these rules, and that nothing of the
/// second is lost.
#[track_caller]
fn loses<'w>(
    project: &Project<'w>,
    what: &str,
    rules: &[&str],
    (member, ledger, id): (&Member<'w>, &str, impl ToString),
    second: impl FnOnce(),
) {
    let refspec = format!("{}:refs/deploy/{ledger}", id.to_string());
    let mut between = String::new();
    let run = crossed(
        project,
        || member.push(&[&refspec]),
        || {
            second();
            between = project.refs();
        },
    );
    let said = run.fails(1).err();
    let named: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("remote:   ✗ "))
        .map(|line| line.split("  ").next().unwrap().trim())
        .collect();
    assert_eq!(named, rules.iter().copied().collect(), "{what}: {said}");
    assert_eq!(project.refs(), between, "{what}: {said}");
    project
        .server
        .git(&["fsck", "--strict", "--no-dangling"])
        .ok();
    sync(project);
}

/// Makes the deployment to prod that would be accepted now.
fn to_prod(ci: &Member<'_>) -> String {
    let Action::Record(Record { mut deployment, .. }) = ci.a_record("HEAD", None) else {
        panic!("not a record")
    };
    deployment.approved_by = vec!["bob".parse().unwrap()];
    ci.build(
        "prod",
        Action::Start(Start {
            run: RunId([7; 16]),
            deployment,
        }),
        None,
        |_| (),
    )
    .to_string()
}

fn push(member: &Member<'_>, ledger: &str, id: &impl ToString) {
    member
        .push(&[&format!("{}:refs/deploy/{ledger}", id.to_string())])
        .ok();
}

/// A deployment is refused if what it relies on was withdrawn while it was pushed.
#[test]
fn withdrawn_grounds_stop_a_deployment() {
    let world = World::new();
    let project = ready(&world);
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    let head = CommitId(ci.repo.rev("HEAD").parse().unwrap());
    // Two at once.
    let rival = to_prod(ci);
    loses(
        &project,
        "two deployments",
        &["chain"],
        (ci, "prod", to_prod(ci)),
        || {
            let lock = an_entry(carol, "prod");
            push(carol, "prod", &lock);
        },
    );
    assert_ne!(rival, ci.repo.rev("refs/deploy/prod"));
    carol.deploy(&["unlock", "prod"]).ok();
    sync(&project);
    // The stage before fails its verification, and is rolled back.
    loses(
        &project,
        "a stage that fails",
        &["previous environment"],
        (ci, "prod", to_prod(ci)),
        || {
            bob.deploy(&["record", "stage", "--all", "--verification", "failed"])
                .ok();
        },
    );
    bob.deploy(&["record", "stage", "--all", "--verification", "passed"])
        .ok();
    sync(&project);
    loses(
        &project,
        "a check that fails",
        &["checks"],
        (ci, "prod", to_prod(ci)),
        || {
            ci.deploy(&["attest", "test-result", "--result", "failed"])
                .ok();
        },
    );
    ci.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    sync(&project);
    let yank = || Yank {
        commit: Some(head),
        digest: None,
        contents: Vec::new(),
        reason: "it eats data".parse().unwrap(),
    };
    loses(
        &project,
        "a commit that is yanked",
        &["yanked"],
        (ci, "prod", to_prod(ci)),
        || {
            push(
                bob,
                "evidence",
                &bob.build("evidence", Action::Yank(yank()), None, |_| ()),
            );
        },
    );
    push(
        bob,
        "evidence",
        &bob.build("evidence", Action::Unyank(Unyank(yank())), None, |_| ()),
    );
    sync(&project);
    let revoke = Action::Revoke(Revoke {
        commit: head,
        approver: "bob".parse().unwrap(),
        comment: None,
    });
    loses(
        &project,
        "an approval that is revoked",
        &["chain"],
        (ci, "prod", to_prod(ci)),
        || {
            push(bob, "prod", &bob.build("prod", revoke, None, |_| ()));
        },
    );
    bob.deploy(&["approve", "prod"]).ok();
    sync(&project);
    // A policy comes into force, and the other way round.
    loses(
        &project,
        "a policy before it",
        &["chain"],
        (ci, "prod", to_prod(ci)),
        || {
            project.publish(&POLICY.replace("dev = {}", "dev = {}\nqa = {}"));
        },
    );
    let text = project.policy(POLICY);
    let policy = super::forged_entries::publish(alice, &text);
    loses(
        &project,
        "a deployment before a policy",
        &["chain"],
        (alice, "policy", policy),
        || {
            push(carol, "prod", &an_entry(carol, "prod"));
        },
    );
    carol.deploy(&["unlock", "prod"]).ok();
    // Bob's key is removed, and with it what he approved.
    sync(&project);
    let without = text
        .lines()
        .filter(|line| !line.starts_with("bob"))
        .collect::<Vec<_>>()
        .join("\n");
    let without = without.replace("\"bob\", ", "");
    loses(
        &project,
        "a key that is removed",
        &["approvals", "chain"],
        (ci, "prod", to_prod(ci)),
        || {
            push(
                alice,
                "policy",
                &super::forged_entries::publish(alice, &without),
            );
        },
    );
    carol.deploy(&["approve", "prod"]).ok();
    ci.deploy(&["record", "prod"]).ok();
    project.audited();
}

/// What is withdrawn, the rule that then refuses, and the commands that withdraw and restore it.
type Attempt<'a> = (&'a str, &'a str, &'a dyn Fn(), &'a dyn Fn());

/// A branch does not move if what allows the move was withdrawn while it was pushed.
#[test]
fn withdrawn_grounds_stop_a_branch() {
    let world = World::new();
    let project = ready(&world);
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    let bound = format!("{POLICY}[environments.qa]\nbranch = \"main\"\napprovals = 1\n");
    project.publish(&bound);
    sync(&project);
    let head = project.commit("api/x", "two\n");
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    for member in [bob, carol, ci] {
        member.repo.git(&["fetch", "-q"]).ok();
    }
    let approve = || {
        carol.deploy(&["sync"]).ok();
        carol.deploy(&["approve", "qa", &head]).ok();
    };
    let deploy = |member: &Member<'_>, words: &[&str]| {
        member.deploy(&["sync"]).ok();
        member.deploy(words).ok();
    };
    approve();
    let attempts: [Attempt<'_>; 4] = [
        (
            "an approval that is revoked",
            "approvals",
            &|| deploy(carol, &["revoke", "qa", &head]),
            &approve,
        ),
        (
            "an environment that is locked",
            "lock",
            &|| deploy(bob, &["lock", "qa", "-m", "incident"]),
            &|| deploy(bob, &["unlock", "qa"]),
        ),
        (
            "a commit that is yanked",
            "yanked",
            &|| deploy(bob, &["yank", &head, "-m", "it eats data"]),
            &|| deploy(bob, &["unyank", &head, "-m", "it does not"]),
        ),
        (
            "a policy that demands more",
            "approvals",
            &|| project.publish(&bound.replace("approvals = 1\n", "approvals = 2\n")),
            &|| project.publish(&bound),
        ),
    ];
    for (what, rule, withdraw, restore) in attempts {
        // In an atomic push nothing else goes in either.
        for options in [&[][..], &["--atomic", "HEAD:refs/heads/beside"]] {
            let mut between = String::new();
            let push = [&["HEAD:refs/heads/main"], options].concat();
            let run = crossed(
                &project,
                || alice.push(&push),
                || {
                    withdraw();
                    between = project.refs();
                },
            );
            let said = run.fails(1).err();
            assert!(said.contains(&format!("✗ {rule}")), "{what}: {said}");
            assert_eq!(project.refs(), between, "{what}: {said}");
            restore();
        }
    }
    alice.push(&["HEAD:refs/heads/main"]).ok();
    project.audited();
}

/// A pusher who does not read what git reports first cannot delay the move of a branch: it moves at
/// once, while it is allowed.
#[test]
fn a_stalled_pusher_does_not_delay_a_branch() {
    let world = World::new();
    let project = ready(&world);
    let alice = &project.alice;
    project.publish(&format!("{POLICY}[environments.qa]\nbranch = \"main\"\n"));
    let one = project.server.rev("refs/heads/main");
    let two = project.commit("api/x", "two\n");
    let zero = "0".repeat(40);
    // Git refuses each of these names in a message of its own, more than a pipe can hold.
    let mut wire = RawPush::new(&alice.repo).with("report-status side-band-64k");
    for number in 0..200 {
        let name = format!("{}{number}", "x".repeat(3_800));
        wire = wire.update(&zero, &two, &name);
    }
    let wire = wire.update(&one, &two, "refs/heads/main");
    let mut child = wire.stall(&project.server, usize::MAX);
    wait_until("the branch does not move", || {
        project.server.rev("refs/heads/main") == two
    });
    assert!(child.try_wait().unwrap().is_none(), "git was not stalled");
    child.kill().unwrap();
    child.wait().unwrap();
    project.audited();
}

/// Evidence that arrives all the time does not stop a deployment.
#[test]
fn unrelated_entries_stop_no_deployment() {
    let world = World::new();
    let project = ready(&world);
    let (bob, ci) = (&project.bob, &project.ci);
    let start = to_prod(ci);
    let run = crossed(
        &project,
        || ci.push(&[&format!("{start}:refs/deploy/prod")]),
        || {
            bob.deploy(&["attest", "test-result", "--result", "passed"])
                .ok();
            bob.deploy(&["record", "dev"]).ok();
        },
    );
    run.ok();
    assert_eq!(project.server.rev("refs/deploy/prod"), start);
    // A command of ours that lost a race looks again, and lands after it or says why not.
    sync(&project);
    ci.deploy(&["record", "prod", "--finish"]).ok();
    let run = crossed(
        &project,
        || ci.deploy(&["record", "dev", "--all"]),
        || {
            bob.deploy(&["record", "dev", "--all"]).ok();
        },
    );
    run.ok();
    let run = crossed(
        &project,
        || ci.deploy(&["record", "dev", "--all"]),
        || {
            bob.deploy(&["lock", "dev", "-m", "stop"]).ok();
        },
    );
    let run = run.fails(1);
    assert!(run.err().contains("✗ lock"), "{run}");
    project.audited();
}

/// A deployment is judged without the evidence in its own push.
#[test]
fn evidence_in_the_same_push_does_not_count() {
    let world = World::new();
    let project = ready(&world);
    let (bob, ci) = (&project.bob, &project.ci);
    ci.deploy(&["attest", "test-result", "--result", "failed"])
        .ok();
    sync(&project);
    let evidence = ci.repo.rev("refs/deploy/evidence");
    let good = ci.bytes("blob", &format!("{evidence}~1:entry.json"));
    let attest = Statement::parse(&good).unwrap().action;
    let attest = ci.append("evidence", attest, None, |_| ());
    let start = to_prod(ci);
    let both = [
        format!("{attest}:refs/deploy/evidence"),
        format!("{start}:refs/deploy/prod"),
    ];
    let said = project.refused(&["chain", "checks"], || ci.push(&[&both[0], &both[1]]));
    assert!(said.contains("refs/deploy/prod"), "{said}");
    project.refused(&["chain", "checks"], || ci.push(&[&both[1], &both[0]]));
    // An approval and what it is for are of one ledger: two entries, one after the other, each judged.
    ci.repo
        .git(&["update-ref", "refs/deploy/evidence", &evidence])
        .ok();
    push(ci, "evidence", &attest);
    project.refused_entry(
        &["authorization"],
        bob,
        "prod",
        &bob.build("prod", a_lock(), None, |it| it.by = "ci".parse().unwrap()),
    );
    ci.deploy(&["sync"]).ok();
    ci.deploy(&["record", "prod"]).ok();
    project.audited();
}

/// Of those who resume, abort and finish a run at once, one succeeds.
#[test]
fn a_run_ends_once() {
    let world = World::new();
    let project = ready(&world);
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    let begin = || {
        ci.deploy(&["record", "stage", "--start", "--all"]).ok();
        sync(&project);
        read_start(ci, "stage")
    };
    let build = |member: &Member<'_>, action| member.build("stage", action, None, |_| ());
    let run = begin();
    let resumed = |byte| {
        Action::Resume(Resume {
            start: run.0,
            run: RunId([byte; 16]),
            reason: Some("lost".parse().unwrap()),
        })
    };
    loses(
        &project,
        "two who resume",
        &["chain"],
        (ci, "stage", build(ci, resumed(1))),
        || {
            push(bob, "stage", &build(bob, resumed(2)));
        },
    );
    // Whoever lost goes on with nothing: the run is the other's.
    project.refused_entry(
        &["authorization", "state"],
        ci,
        "stage",
        &build(ci, finish(&run)),
    );
    project.refused_entry(
        &["authorization", "state"],
        ci,
        "stage",
        &build(ci, abort(&run)),
    );
    bob.deploy(&["abort", "stage", "-m", "enough"]).ok();
    sync(&project);

    let run = begin();
    loses(
        &project,
        "an end while it is given up",
        &["chain"],
        (ci, "stage", build(ci, finish(&run))),
        || {
            push(alice, "stage", &build(alice, abort(&run)));
        },
    );
    project.refused_entry(
        &["authorization", "state"],
        ci,
        "stage",
        &build(ci, finish(&run)),
    );
    let run = begin();
    loses(
        &project,
        "given up while it ends",
        &["chain"],
        (alice, "stage", build(alice, abort(&run))),
        || {
            push(ci, "stage", &build(ci, finish(&run)));
        },
    );
    project.refused_entry(&["state"], alice, "stage", &build(alice, abort(&run)));
    let run = begin();
    let resume = || {
        Action::Resume(Resume {
            start: run.0,
            run: RunId([3; 16]),
            reason: Some("lost".parse().unwrap()),
        })
    };
    loses(
        &project,
        "resumed while it is given up",
        &["chain"],
        (bob, "stage", build(bob, resume())),
        || {
            push(alice, "stage", &build(alice, abort(&run)));
        },
    );
    project.refused_entry(&["state"], bob, "stage", &build(bob, resume()));
    let run = begin();
    let resume = Action::Resume(Resume {
        start: run.0,
        run: RunId([4; 16]),
        reason: Some("lost".parse().unwrap()),
    });
    loses(
        &project,
        "given up while it is resumed",
        &["chain"],
        (alice, "stage", build(alice, abort(&run))),
        || {
            push(bob, "stage", &build(bob, resume));
        },
    );
    bob.deploy(&["abort", "stage", "-m", "enough"]).ok();
    sync(&project);
    // While it lives, only its owner and an admin give it up.
    let run = begin();
    project.refused_entry(&["authorization"], bob, "stage", &build(bob, abort(&run)));
    push(ci, "stage", &build(ci, finish(&run)));
    project.audited();
}

/// A push that waited for the lock is judged again, and a lock that is never released lets nobody
/// in.
#[test]
fn the_lock_admits_one_push() {
    let world = World::new();
    let project = ready(&world);
    let (bob, ci) = (&project.bob, &project.ci);
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(project.server.path().join("git-deploy.lock"))
        .unwrap();
    file.lock().unwrap();
    let rivals = [(ci, an_entry(ci, "dev")), (bob, an_entry(bob, "dev"))];
    let won: Vec<bool> = std::thread::scope(|scope| {
        let rivals: Vec<_> = rivals
            .iter()
            .map(|(member, id)| {
                scope.spawn(move || member.push(&[&format!("{id}:refs/deploy/dev")]).succeeded())
            })
            .collect();
        let waiting = || {
            let waits = |id: &u32| {
                let words = std::fs::read(format!("/proc/{id}/cmdline"));
                words.is_ok_and(|words| {
                    let words = String::from_utf8_lossy(&words);
                    words.contains("git-deploy\0hook\0") && words.ends_with("proc-receive\0")
                })
            };
            processes_in(&project.server)
                .iter()
                .filter(|id| waits(id))
                .count()
        };
        wait_until("nobody waits for the lock", || waiting() >= rivals.len());
        // Branches that are nobody's do not wait.
        project.alice.push(&["HEAD:refs/heads/free"]).ok();
        assert!(
            !project.refs().contains("refs/deploy/dev "),
            "{}",
            project.refs()
        );
        file.unlock().unwrap();
        rivals
            .into_iter()
            .map(|rival| rival.join().unwrap())
            .collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    project.audited();
}

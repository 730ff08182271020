//! Entries that no client of ours would write: forged with real keys, pushed with plain git, and
//! refused with nothing changed.
//!
//! What a server refuses by the refs alone, before it reads an entry, is in `server.rs` and
//! `ledgers.rs`.

use git_deploy::testing::domain::entry::{
    Abort, Action, ComponentAtCommit, Publish, Record, Resume, Revoke, Statement, Unlock, Unyank,
    Yank,
};
use git_deploy::testing::domain::id::{CommitId, Content, EntryId, RunId};
use git_deploy::testing::domain::time::Span;

use crate::harness::member::a_lock;
use crate::harness::{Member, Project, World};

const POLICY: &str = r#"[environments]
dev = {}
prod = { promote_from = "dev", approvals = 1 }
"#;

/// Returns a project whose commit runs in dev and is approved for prod, so that an honest record of
/// it by CI would be accepted.
fn ready(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    project
        .ci
        .deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    project.bob.deploy(&["approve", "prod"]).ok();
    world.advance("20m");
    project.ci.deploy(&["sync"]).ok();
    project
}

/// Makes an honest record to prod, changed by the test before it is signed.
fn bent(ci: &Member<'_>, bend: impl Fn(&mut Statement)) -> EntryId {
    ci.build("prod", ci.a_record("HEAD", None), None, |statement| {
        if let Action::Record(record) = &mut statement.action {
            record.deployment.approved_by = vec!["bob".parse().unwrap()];
        }
        bend(statement);
    })
}

/// Returns the record in a statement.
fn record(statement: &mut Statement) -> &mut Record {
    let Action::Record(record) = &mut statement.action else {
        panic!("not a record")
    };
    record
}

/// A change of a statement before it is signed.
type Lie<'a> = Box<dyn Fn(&mut Statement) + 'a>;

/// Each false claim in an entry about its place, its time or its code is refused; the true one is
/// accepted.
#[test]
fn false_claims_are_refused() {
    let world = World::new();
    let project = ready(&world);
    let ci = &project.ci;
    let (dev, policy) = (
        ci.repo.rev("refs/deploy/dev"),
        ci.repo.rev("refs/deploy/policy"),
    );
    let genesis = ci.repo.rev(&format!("{dev}~1"));
    let id = |hex: &str| EntryId(hex.parse().unwrap());
    let lies: Vec<(&[&str], Lie<'_>)> = vec![
        (&["chain"], Box::new(|it| it.project = id(&genesis))),
        (&["chain"], Box::new(|it| it.sequence = 1)),
        (&["chain"], Box::new(|it| it.sequence += 1)),
        (
            &["chain"],
            Box::new(|it| {
                it.seen.remove("dev");
            }),
        ),
        (
            &["chain"],
            Box::new(|it| {
                it.seen.insert("dev".parse().unwrap(), id(&policy));
            }),
        ),
        (
            &["chain"],
            Box::new(|it| {
                it.seen.insert("evidence".parse().unwrap(), id(&dev));
            }),
        ),
        (
            &["time"],
            Box::new(|it| it.at = it.at.minus(Span::from_seconds(301))),
        ),
        (
            &["time"],
            Box::new(|it| it.at = it.at.plus(Span::from_seconds(301))),
        ),
        (
            &["content"],
            Box::new(|it| {
                record(it).deployment.components[0].from = Some(CommitId(genesis.parse().unwrap()));
            }),
        ),
        (
            &["content", "previous environment"],
            Box::new(|it| {
                let other = Content(ci.repo.rev("HEAD:api").parse().unwrap());
                record(it).deployment.components[0].target.content = Some(other);
            }),
        ),
        (
            &["authorization"],
            Box::new(|it| it.by = "carol".parse().unwrap()),
        ),
        (
            &["authorization"],
            Box::new(|it| it.by = "mallory".parse().unwrap()),
        ),
        (
            &["authorization"],
            Box::new(|it| it.requested_by = Some("mallory".parse().unwrap())),
        ),
        (
            &["approvals"],
            Box::new(|it| record(it).deployment.approved_by = vec!["carol".parse().unwrap()]),
        ),
        (
            &["approvals"],
            Box::new(|it| record(it).deployment.approved_by.clear()),
        ),
        // Its starter asked for it, so she does not count: an approval by whoever asks is none.
        (
            &["approvals"],
            Box::new(|it| it.requested_by = Some("bob".parse().unwrap())),
        ),
    ];
    for (rules, lie) in &lies {
        project.refused_entry(rules, ci, "prod", &bent(ci, lie));
    }
    let honest = bent(ci, |_| ());
    ci.push(&[&format!("{honest}:refs/deploy/prod")]).ok();
    project.audited();
}

/// An entry may not end what never began, or begin what is already there.
#[test]
fn impossible_transitions_are_refused() {
    let world = World::new();
    let project = ready(&world);
    let (ci, bob) = (&project.ci, &project.bob);
    bob.deploy(&["sync"]).ok();
    let head = CommitId(ci.repo.rev("HEAD").parse().unwrap());
    let reason = || "because".parse().unwrap();
    let run = RunId([7; 16]);
    let what = || {
        vec![ComponentAtCommit {
            component: "demo".parse().unwrap(),
            commit: head,
        }]
    };
    let none: Vec<(&Member<'_>, &str, Action)> = vec![
        (
            ci,
            "prod",
            Action::Abort(Abort {
                start: 1,
                run,
                components: what(),
                reason: reason(),
            }),
        ),
        (
            ci,
            "prod",
            Action::Resume(Resume {
                start: 1,
                run,
                reason: Some("lost".parse().unwrap()),
            }),
        ),
        (
            bob,
            "prod",
            Action::Unlock(Unlock {
                component: None,
                commit: None,
                holds: vec![],
                comment: None,
            }),
        ),
        (
            bob,
            "dev",
            Action::Revoke(Revoke {
                commit: head,
                approver: "bob".parse().unwrap(),
                comment: None,
            }),
        ),
        (
            project_admin(&project),
            "evidence",
            Action::Unyank(Unyank(Yank {
                commit: Some(head),
                digest: None,
                contents: Vec::new(),
                reason: reason(),
            })),
        ),
    ];
    for (member, ledger, action) in none {
        let id = member.build(ledger, action, None, |_| ());
        project.refused_entry(&["state"], member, ledger, &id);
    }
    // A run that lives is finished by its owner alone, under its newest number; a second lock is none.
    ci.deploy(&["record", "prod", "--start"]).ok();
    for member in [bob, ci] {
        member.deploy(&["sync"]).ok();
    }
    project.refused(&["lock"], || {
        project.carol.deploy(&["record", "prod", "--no-verify"])
    });
    let start: u64 = 2;
    let abort = bob.build(
        "prod",
        Action::Abort(Abort {
            start,
            run,
            components: what(),
            reason: reason(),
        }),
        None,
        |_| (),
    );
    project.refused_entry(&["authorization", "state"], bob, "prod", &abort);
    let abort = ci.build(
        "prod",
        Action::Abort(Abort {
            start,
            run,
            components: what(),
            reason: reason(),
        }),
        None,
        |_| (),
    );
    project.refused_entry(&["state"], ci, "prod", &abort);
    ci.deploy(&["record", "prod", "--finish"]).ok();
    bob.deploy(&["lock", "prod", "-m", "incident"]).ok();
    let lock = bob.build("prod", a_lock(), None, |_| ());
    project.refused_entry(&["state"], bob, "prod", &lock);
    project.audited();
}

fn project_admin<'a, 'w>(project: &'a Project<'w>) -> &'a Member<'w> {
    project.alice.deploy(&["sync"]).ok();
    &project.alice
}

/// A commit must be, byte for byte, what follows from its entry: tree, message, people and parents.
#[test]
fn commits_must_follow_from_the_entry() {
    let world = World::new();
    let project = ready(&world);
    let ci = &project.ci;
    let good = bent(ci, |_| ()).to_string();
    let entry = ci.repo.rev(&format!("{good}:entry.json"));
    let signature = ci.repo.rev(&format!("{good}:entry.json.minisig"));
    let old = ci
        .repo
        .git(&["ls-tree", "-r", "--name-only", "refs/deploy/prod"])
        .ok()
        .text();
    let approval = old
        .lines()
        .find(|path| path.starts_with("approvals/"))
        .unwrap();
    let as_file = |path: &str, id: &str| format!("100644,{id},{path}");
    let (head, main) = (ci.repo.rev("HEAD"), ci.repo.rev("HEAD:api/x"));
    let orphan = ci
        .repo
        .git(&["commit-tree", "-m", "x", "HEAD^{tree}"])
        .ok()
        .text();
    // A used approval that comes back, state that is gone or another's, files that no ledger has.
    let trees: [&[&str]; 9] = [
        &[
            "--add",
            "--cacheinfo",
            &as_file(
                approval,
                &ci.repo.rev(&format!("refs/deploy/prod:{approval}")),
            ),
        ],
        &["--add", "--cacheinfo", &as_file("README", &main)],
        &["--add", "--cacheinfo", &as_file("lock.json", &entry)],
        &[
            "--add",
            "--cacheinfo",
            &as_file("components/demo/../x", &entry).replace("../", "..x/"),
        ],
        &[
            "--cacheinfo",
            &format!("160000,{orphan},components/demo/commit"),
        ],
        &["--cacheinfo", &as_file("components/demo/live.json", &main)],
        &[
            "--cacheinfo",
            &as_file("entry.json", &entry).replace("100644", "100755"),
        ],
        &["--force-remove", "components/demo/last.json"],
        &["--force-remove", "components/demo/commit"],
    ];
    for edit in trees {
        let forged = ci.retree(&good, &[edit]);
        assert_ne!(forged, good, "{edit:?}");
        project.refused_entry(&["chain"], ci, "prod", &forged);
    }
    // Without its entry, with another's, with an entry that is no JSON or a signature that is none.
    let dev = |file: &str| ci.repo.rev(&format!("refs/deploy/dev:{file}"));
    let files: [(&str, &[&str]); 6] = [
        ("chain", &["--force-remove", "entry.json"]),
        ("chain", &["--force-remove", "entry.json.minisig"]),
        (
            "chain",
            &["--cacheinfo", &as_file("entry.json", &dev("entry.json"))],
        ),
        (
            "chain",
            &["--cacheinfo", &as_file("entry.json", &signature)],
        ),
        (
            "authorization",
            &[
                "--cacheinfo",
                &as_file("entry.json.minisig", &dev("entry.json.minisig")),
            ],
        ),
        (
            "authorization",
            &["--cacheinfo", &as_file("entry.json.minisig", &entry)],
        ),
    ];
    for (rule, edit) in files {
        project.refused_entry(&[rule], ci, "prod", &ci.retree(&good, &[edit]));
    }
    let policy = ci.repo.rev("refs/deploy/policy");
    let edits: [(&str, String); 8] = [
        ("succeeded", "failed".to_owned()),
        ("Deploy-By: ci", "Deploy-By: bob".to_owned()),
        ("author ci", "author bob".to_owned()),
        ("+0000\ncommitter", "+0100\ncommitter".to_owned()),
        ("\n\n", "\ngpgsig x\n\n".to_owned()),
        (&format!("parent {head}\n"), String::new()),
        (&format!("parent {head}"), format!("parent {orphan}")),
        (
            &format!("parent {head}"),
            format!("parent {head}\nparent {policy}"),
        ),
    ];
    for (from, to) in edits {
        let forged = ci.recommit(&good, |raw| raw.replacen(from, &to, 1));
        assert_ne!(forged, good, "{from}");
        project.refused_entry(&["chain"], ci, "prod", &forged);
    }
    // The code as first parent and the ledger as second; a history under the tip that is not there.
    let tip = ci.repo.rev("refs/deploy/prod");
    for (first, second) in [(&head, &tip), (&orphan, &head), (&policy, &head)] {
        let parents = format!("parent {tip}\nparent {head}");
        let forged = ci.recommit(&good, |raw| {
            raw.replacen(&parents, &format!("parent {first}\nparent {second}"), 1)
        });
        project.refused_entry(&["chain"], ci, "prod", &forged);
    }
    ci.push(&[&format!("{good}:refs/deploy/prod")]).ok();
    project.audited();
}

/// A ledger stays the chain that it was, and only ledgers of the policy exist.
#[test]
fn ledgers_stay_chains_of_the_policy() {
    let world = World::new();
    let project = ready(&world);
    let ci = &project.ci;
    ci.repo.git(&["tag", "-a", "-m", "a tag", "annotated"]).ok();
    let names = [
        "HEAD:api/x",
        "HEAD^{tree}",
        "annotated",
        "HEAD",
        "refs/deploy/dev",
        "refs/deploy/prod~1",
    ];
    for name in names {
        let id = ci.repo.rev(name);
        project.refused_entry(&["chain"], ci, "prod", &id);
        // As a ledger that could be there and is not, and as one that nobody has.
        project.refused_entry(&["chain"], ci, "evidence", &id);
        project.refused_entry(&["chain"], ci, "nowhere", &id);
        project.refused_entry(&["chain"], ci, "PROD", &id);
    }
    // An entry for an environment that the policy does not know, well made.
    let unknown = ci.build("nowhere", a_lock(), None, |_| ());
    project.refused_entry(&["chain"], ci, "nowhere", &unknown);
    // Gone and back in one push is gone all the same.
    let tip = ci.repo.rev("refs/deploy/dev");
    project.refused(&["chain"], || {
        ci.push(&[":refs/deploy/dev", &format!("{tip}:refs/deploy/evidence")])
    });
    // A ref that leads to another would let one push move two.
    project
        .server
        .git(&["symbolic-ref", "refs/deploy/evidence", "refs/deploy/dev"])
        .ok();
    let before = project.refs();
    let build = ci.build("evidence", a_yank(ci), None, |_| ());
    ci.push(&[&format!("{build}:refs/deploy/evidence")])
        .fails(1);
    assert_eq!(project.refs(), before);
    project
        .server
        .git(&["symbolic-ref", "--delete", "refs/deploy/evidence"])
        .ok();
    ci.push(&[&format!("{build}:refs/deploy/evidence")]).ok();
    project.audited();
}

fn a_yank(member: &Member<'_>) -> Action {
    let commit = member.repo.rev("HEAD");
    Action::Yank(Yank {
        commit: Some(CommitId(commit.parse().unwrap())),
        digest: None,
        contents: Vec::new(),
        reason: "bad".parse().unwrap(),
    })
}

/// An honest entry is not accepted a second time, or elsewhere.
#[test]
fn old_entries_cannot_be_replayed() {
    let world = World::new();
    let project = ready(&world);
    let (ci, bob) = (&project.ci, &project.bob);
    let approval = ci.repo.rev("refs/deploy/prod");
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    let used = ci.repo.rev("refs/deploy/prod");
    // The same entries on top of today's tip, in their own ledger and in the other.
    for (ledger, id) in [
        ("prod", &approval),
        ("prod", &used),
        ("dev", &used),
        ("policy", &used),
    ] {
        let tip = ci.repo.rev(&format!("refs/deploy/{ledger}"));
        let parent = ci.repo.rev(&format!("{id}^"));
        let forged = ci.recommit(id, |raw| {
            raw.replacen(&format!("parent {parent}"), &format!("parent {tip}"), 1)
        });
        project.refused_entry(&["chain"], ci, ledger, &forged);
    }
    // A used approval counts no more, whatever the entry says.
    project.push("api/x", "two\n");
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    bob.deploy(&["approve", "prod"]).ok();
    bob.deploy(&["record", "prod", "--no-verify"]).fails(1);
    ci.deploy(&["record", "prod"]).ok();
    let again = |it: &mut Statement| {
        record(it).deployment.components[0].from =
            Some(CommitId(ci.repo.rev("HEAD").parse().unwrap()));
    };
    project.refused_entry(&["approvals"], ci, "prod", &bent(ci, again));
    // Nor does one that its giver took back, or that is over.
    project.push("api/x", "three\n");
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    let head = ci.repo.rev("HEAD");
    let to_prod = || ci.deploy(&["record", "prod", "--no-verify"]);
    bob.deploy(&["approve", "prod", "--expires", "1h"]).ok();
    bob.deploy(&["sync"]).ok();
    let commit = CommitId(head.parse().unwrap());
    let revoke = Revoke {
        commit,
        approver: "bob".parse().unwrap(),
        comment: None,
    };
    let by_carol = {
        project.carol.deploy(&["sync"]).ok();
        project
            .carol
            .build("prod", Action::Revoke(revoke.clone()), None, |_| ())
    };
    project.refused_entry(&["authorization"], &project.carol, "prod", &by_carol);
    let revoked = bob.build("prod", Action::Revoke(revoke), None, |_| ());
    bob.push(&[&format!("{revoked}:refs/deploy/prod")]).ok();
    project.refused(&["approvals"], to_prod);
    bob.deploy(&["approve", "prod", "--expires", "1h"]).ok();
    world.advance("61m");
    project.refused(&["approvals"], to_prod);
    bob.deploy(&["approve", "prod"]).ok();
    to_prod().ok();
    project.audited();
}

/// A key that the policy lost signs nothing, and a policy that is not in force yet allows nothing.
#[test]
fn removed_keys_and_future_policies_count_nothing() {
    let world = World::new();
    let project = ready(&world);
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    // Only admins publish, and none may leave themselves out.
    bob.deploy(&["sync"]).ok();
    let open = project.policy("[environments]\ndev = {}\nprod = {}\n");
    let by_bob = publish(bob, &open);
    project.refused_entry(&["authorization"], bob, "policy", &by_bob);
    alice.deploy(&["sync"]).ok();
    let without = open
        .lines()
        .filter(|line| !line.starts_with("alice"))
        .collect::<Vec<_>>()
        .join("\n");
    project.refused_entry(
        &["authorization"],
        alice,
        "policy",
        &publish(alice, &without),
    );
    project.refused_entry(
        &["authorization"],
        alice,
        "policy",
        &publish(alice, "schema = 1\n"),
    );
    // A policy and what it would allow, in one push.
    world.advance("1m");
    let id = publish(alice, &open);
    let profit = bent(alice, |it| {
        record(it).deployment.approved_by.clear();
        it.by = "alice".parse().unwrap();
    });
    let both = [
        format!("{id}:refs/deploy/policy"),
        format!("{profit}:refs/deploy/prod"),
    ];
    project.refused(&["approvals"], || alice.push(&[&both[0], &both[1]]));
    // A policy that did not see where the environments are.
    let blind = alice.build("policy", publication(&open), Some(&open), |it| {
        it.seen.remove("prod");
    });
    project.refused_entry(&["chain"], alice, "policy", &blind);

    // Bob's key is lost: his approval counts no more, he signs nothing, and an entry that names the older policy helps nobody.
    bob.deploy(&["sync"]).ok();
    let before = bob.build("prod", a_lock(), None, |_| ());
    let first = ci.repo.rev("refs/deploy/policy");
    let rest = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = 1 }\n";
    let text = project.policy(rest);
    let text = text
        .lines()
        .filter(|line| !line.starts_with("bob"))
        .collect::<Vec<_>>()
        .join("\n");
    alice.deploy(&["sync"]).ok();
    let removal = publish(alice, &text);
    alice.push(&[&format!("{removal}:refs/deploy/policy")]).ok();
    project.refused(&["approvals"], || {
        ci.deploy(&["record", "prod", "--no-verify"])
    });
    project.refused_entry(&["authorization", "chain"], bob, "prod", &before);
    bob.deploy(&["sync"]).ok();
    project.refused_entry(
        &["authorization"],
        bob,
        "prod",
        &bob.build("prod", a_lock(), None, |_| ()),
    );
    // The older policy, validly signed then, does not come back by itself.
    project.refused_entry(&["chain"], alice, "policy", &first);
    project.carol.deploy(&["approve", "prod"]).ok();
    ci.deploy(&["record", "prod"]).ok();
    project.audited();
}

fn publication(text: &str) -> Action {
    let digest = git_deploy::testing::domain::id::Digest::sha256(text.as_bytes());
    let (approved_by, admits) = (vec![], vec![]);
    Action::Publish(Publish {
        keys: digest.clone(),
        digest,
        approved_by,
        description: None,
        admits,
        recovered: false,
    })
}

/// Makes a well-formed policy that follows the one in force.
pub fn publish(member: &Member<'_>, text: &str) -> EntryId {
    member.build("policy", publication(text), Some(text), |_| ())
}

/// Makes another deployment of what an environment runs, component by component.
pub fn a_deployment(member: &Member<'_>, environment: &str) -> Action {
    let bytes = member.bytes("blob", &format!("refs/deploy/{environment}:entry.json"));
    let mut statement = Statement::parse(&bytes).unwrap();
    for change in &mut record(&mut statement).deployment.components {
        change.from = Some(change.target.commit);
    }
    statement.action
}

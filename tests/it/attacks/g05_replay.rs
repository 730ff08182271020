//! Group 5: honest entries used again, in another place or as approval of something else.

use git_deploy::testing::domain::entry::{Action, ApprovalPurpose, Approve, Record, Statement};
use git_deploy::testing::domain::id::{CommitId, Digest};
use git_deploy::testing::domain::time::Span;

use crate::harness::attack::an_entry;
use crate::harness::{AttackRunner, Member, Project, World};

const TWO: &str = r#"[environments]
dev = {}
qa = {}
prod = { approvals = { required = 1, by = ["bob", "carol"], bind = "plan" } }
[components]
api = { paths = "api", plan = "true", apply = "true" }
web = { paths = "web" }
"#;

fn record(statement: &mut Statement) -> &mut Record {
    let Action::Record(record) = &mut statement.action else {
        panic!("not a record")
    };
    record
}

/// Makes a record of these components to prod, with these plans, that names bob as its approver.
fn to_prod(ci: &Member<'_>, components: &[&str], plan: Option<&Digest>) -> Action {
    let Action::Record(record) = ci.a_record("HEAD", None) else {
        panic!("not a record")
    };
    let (change, result) = (
        record.deployment.components[0].clone(),
        record.results[0].clone(),
    );
    let mut record = Record {
        results: vec![],
        ..record
    };
    record.deployment.external = true;
    record.deployment.components.clear();
    for name in components {
        let mut change = change.clone();
        change.target.component = name.parse().unwrap();
        change.target.content = Some(git_deploy::testing::domain::id::Content(
            ci.component_content(name).parse().unwrap(),
        ));
        change.plan = plan.filter(|_| *name == "api").cloned();
        let mut result = result.clone();
        result.component = name.parse().unwrap();
        record.deployment.components.push(change);
        record.results.push(result);
    }
    record.deployment.approved_by = vec!["bob".parse().unwrap()];
    Action::Record(record)
}

/// An approval covers one commit, its components and a plan; it is used once, and expires.
#[test]
fn approvals_cover_one_thing_once() {
    let world = World::new();
    let project = Project::new(&world, TWO);
    let (bob, ci) = (&project.bob, &project.ci);
    let one = project.push("web/x", "one\n");
    let (plan, other) = (Digest::sha256(b"plan"), Digest::sha256(b"other"));
    bob.deploy(&["sync"]).ok();
    let approve = |components: &[&str], plan: Option<&Digest>, commit: &str| {
        let plans = plan
            .map(|plan| ("api".parse().unwrap(), plan.clone()))
            .into_iter()
            .collect();
        let components = components
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let expires = world.now().plus(Span::from_seconds(3600));
        let commit = CommitId(commit.parse().unwrap());
        bob.deploy(&["sync"]).ok();
        let approval = Approve {
            commit,
            components,
            purpose: ApprovalPurpose::Deploy,
            plans,
            expires,
            comment: None,
        };
        bob.append("prod", Action::Approve(approval), None, |_| ());
        bob.push(&["refs/deploy/prod"]).ok();
        ci.deploy(&["sync"]).ok();
    };
    let attacks = AttackRunner::of(&project);
    let mount = |attack: &str, components: &[&str], plan: Option<&Digest>| {
        let forged = ci.build("prod", to_prod(ci, components, plan), None, |_| ());
        attacks.refused_entry(attack, &["approvals"], ci, "prod", &forged);
    };
    approve(&["api"], Some(&plan), &one);
    mount("another plan", &["api"], Some(&other));
    mount("no plan", &["api"], None);
    mount("another component", &["web"], None);
    mount("a component more", &["api", "web"], Some(&plan));
    mount("the plan of another component", &["web"], Some(&plan));
    // Another commit of the same content, and one that has it among its parents.
    let tree = ci.repo.rev("HEAD^{tree}");
    for parents in [&["-p", "HEAD~1"][..], &[], &["-p", "HEAD"]] {
        let twin = ci
            .repo
            .git(&[&["commit-tree", "-m", "twin", &tree][..], parents].concat())
            .ok()
            .text();
        ci.push(&[&format!("+{twin}:refs/heads/twin")]).ok();
        let forged = ci.build("prod", to_prod(ci, &["api"], Some(&plan)), None, |it| {
            record(it).deployment.components[0].target.commit = CommitId(twin.parse().unwrap());
        });
        attacks.refused_entry(
            "another commit of the same content",
            &["approvals"],
            ci,
            "prod",
            &forged,
        );
    }
    // Somebody else's word is not what counts.
    let forged = ci.build("prod", to_prod(ci, &["api"], Some(&plan)), None, |it| {
        record(it).deployment.approved_by = vec!["bob".parse().unwrap(), "carol".parse().unwrap()];
    });
    attacks.refused_entry("one more who approved", &["approvals"], ci, "prod", &forged);
    // Used, it is used up: by the very plan that was approved, honestly.
    let honest = ci.build("prod", to_prod(ci, &["api"], Some(&plan)), None, |_| ());
    ci.push(&[&format!("{honest}:refs/deploy/prod")]).ok();
    ci.deploy(&["sync"]).ok();
    let again = ci.build("prod", to_prod(ci, &["api"], Some(&plan)), None, |it| {
        record(it).deployment.components[0].from = Some(CommitId(one.parse().unwrap()));
    });
    attacks.refused_entry("a second time", &["approvals"], ci, "prod", &again);
    // Near its end: neither by an entry dated before it, nor once the server's clock is past it.
    approve(&["web"], None, &one);
    world.advance("61m");
    mount("past its end", &["web"], None);
    let early = ci.build("prod", to_prod(ci, &["web"], None), None, |it| {
        it.at = it.at.minus(Span::from_seconds(120));
    });
    attacks.refused_entry(
        "past its end, dated before it",
        &["approvals"],
        ci,
        "prod",
        &early,
    );
    attacks.finish();
}

/// An entry is refused in another ledger, environment, component or project, and a second time.
#[test]
fn entries_belong_to_one_place() {
    let world = World::new();
    let project = Project::new(
        &world,
        &format!("{TWO}[environments.\"pr-*\"]\nephemeral = {{ ttl = \"8h\", limit = 2 }}\n"),
    );
    let ci = &project.ci;
    project.push("web/x", "one\n");
    ci.deploy(&["record", "dev", "--external"]).ok();
    ci.deploy(&["record", "qa", "--external"]).ok();
    ci.deploy(&["record", "pr-1", "--external"]).ok();
    let attacks = AttackRunner::of(&project);
    let old: Vec<String> = ["dev", "qa", "pr", "policy"]
        .iter()
        .map(|name| ci.repo.rev(&format!("refs/deploy/{name}")))
        .collect();
    for (from, id) in ["dev", "qa", "pr", "policy"].iter().zip(&old) {
        for to in ["dev", "qa", "pr", "policy"] {
            let tip = ci.repo.rev(&format!("refs/deploy/{to}"));
            attacks.refused_entry(
                &format!("{from} in {to}"),
                &["chain"],
                ci,
                to,
                &ci.replant(id, &tip),
            );
            if *from != to {
                attacks.refused_entry(&format!("all of {from} as {to}"), &["chain"], ci, to, id);
            }
        }
        attacks.refused_entry(
            &format!("all of {from} as one that is not there"),
            &["chain"],
            ci,
            "evidence",
            id,
        );
    }
    // Signed for one environment or component, and rewritten for another: the signature is of the bytes.
    let next = ci
        .build(
            "dev",
            super::forged_entries::a_deployment(ci, "dev"),
            None,
            |_| (),
        )
        .to_string();
    let entry = String::from_utf8(ci.bytes("blob", &format!("{next}:entry.json"))).unwrap();
    for (what, from, to) in [
        (
            "another component",
            "\"component\": \"api\"",
            "\"component\": \"web\"",
        ),
        (
            "another ledger",
            "\"ledger\": \"dev\"",
            "\"ledger\": \"qa\"",
        ),
        ("another second", "Z\",\n    \"by\"", "Z\",\n    \"by\""),
        ("another signer", "\"by\": \"ci\"", "\"by\": \"bob\""),
        ("another number", "\"sequence\": 2", "\"sequence\": 3"),
        (
            "another requester",
            "\"by\": \"ci\"",
            "\"by\": \"ci\",\n    \"requestedBy\": \"bob\"",
        ),
    ] {
        let mut text = entry.replace(from, to);
        if what == "another second" {
            text = entry.replacen(":00Z\"", ":01Z\"", 1);
        }
        assert_ne!(text, entry, "{what}");
        let forged = ci.refile(&next, &[("entry.json", text.as_bytes())]);
        let ledger = if what == "another ledger" {
            "qa"
        } else {
            "dev"
        };
        attacks.fails(what, || {
            ci.push(&[&format!("{forged}:refs/deploy/{ledger}")])
        });
    }
    attacks.finish();
}

/// Entries of another project with the same people, names and code are refused here, and ours
/// there.
#[test]
fn projects_do_not_share_entries() {
    let world = World::new();
    let policy = "[environments]\ndev = {}\nqa = {}\n";
    let project = Project::new(&world, policy);
    let (alice, ci) = (&project.alice, &project.ci);
    ci.deploy(&["record", "dev"]).ok();
    let other = world.bare_server("other.git");
    other
        .deploy(&["server", "init", ".", "--admin", &alice.key().to_string()])
        .ok();
    alice
        .repo
        .git(&["push", "-q", &other.url(), "HEAD:refs/heads/main"])
        .ok();
    let (alice_there, ci_there) = (alice.at(&other, "alice-there"), ci.at(&other, "ci-there"));
    alice_there.begin(&project.policy(policy));
    alice_there.push(&["refs/deploy/policy"]).ok();
    ci_there
        .repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    ci_there.record("dev", "HEAD", None);
    ci_there.push(&["refs/deploy/dev"]).ok();
    let theirs = ci_there.repo.rev("refs/deploy/dev");
    ci.repo
        .git(&["fetch", "-q", &other.url(), "refs/deploy/*:refs/theirs/*"])
        .ok();
    alice
        .repo
        .git(&["fetch", "-q", &other.url(), "refs/deploy/*:refs/theirs/*"])
        .ok();
    let attacks = AttackRunner::of(&project);
    let tip = ci.repo.rev("refs/deploy/dev");
    attacks.refused_entry(
        "their entry on our ledger",
        &["chain"],
        ci,
        "dev",
        &ci.replant(&theirs, &tip),
    );
    attacks.refused_entry("their ledger as ours", &["chain"], ci, "dev", &theirs);
    attacks.refused_entry(
        "their ledger, where we have none",
        &["chain"],
        ci,
        "qa",
        &theirs,
    );
    attacks.refused_entry(
        "their policy",
        &["chain"],
        alice,
        "policy",
        &alice.repo.rev("refs/theirs/policy"),
    );
    let (policy_tip, their_policy) = (
        alice.repo.rev("refs/deploy/policy"),
        alice.repo.rev("refs/theirs/policy"),
    );
    attacks.refused_entry(
        "their policy on ours",
        &["chain"],
        alice,
        "policy",
        &alice.replant(&their_policy, &policy_tip),
    );
    let genesis = ci.repo.rev("refs/theirs/dev~1");
    attacks.refused_entry(
        "our entry on their genesis",
        &["chain"],
        ci,
        "qa",
        &ci.replant(&an_entry(ci, "qa"), &genesis),
    );
    // As another project's from the first byte on, and as ours with their policy seen.
    let project_there = git_deploy::testing::domain::id::EntryId(
        ci.repo.rev("refs/theirs/policy~1").parse().unwrap(),
    );
    let seen = git_deploy::testing::domain::id::EntryId(their_policy.parse().unwrap());
    let lock = || crate::harness::member::a_lock();
    attacks.refused_entry(
        "signed for theirs",
        &["chain"],
        ci,
        "qa",
        &ci.build("qa", lock(), None, |it| it.project = project_there),
    );
    let forged = ci.build("qa", lock(), None, |it| {
        it.seen.insert("policy".parse().unwrap(), seen);
    });
    attacks.cannot_tell("with their policy", &["authorization"], || {
        ci.push(&[&format!("{forged}:refs/deploy/qa")])
    });
    // And the other way round.
    ci_there
        .repo
        .git(&[
            "fetch",
            "-q",
            &project.server.url(),
            "refs/deploy/*:refs/theirs/*",
        ])
        .ok();
    let refs = || other.git(&["for-each-ref"]).ok().text();
    let before = refs();
    let moved = ci_there.replant(&tip, &theirs);
    for (id, ledger) in [(&tip, "dev"), (&moved, "dev"), (&tip, "qa")] {
        ci_there
            .push(&[&format!("+{id}:refs/deploy/{ledger}")])
            .fails(1);
    }
    assert_eq!(refs(), before);
    attacks.finish();
}

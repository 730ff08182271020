//! The commands that only read: what people see of real ledgers, and what an audit finds in forged
//! ones.

use git_deploy::testing::domain::entry::{Action, Start, Unlock};
use git_deploy::testing::domain::id::{EntryId, RunId};

use crate::harness::member::a_lock;
use crate::harness::{Member, World, with_random_keys};

/// Returns a policy with these people's keys, in which production requires what ran in dev and a
/// second person.
fn policy(people: &[&Member<'_>]) -> String {
    let people: Vec<String> = people
        .iter()
        .map(|member| format!("{} = \"{}\"\n", member.person, member.key()))
        .collect();
    let environments = "dev = {}\nprod = { promote_from = \"dev\", approvals = 1 }\n\"pr-*\" = { ephemeral = { ttl = \"8h\", limit = 2 } }\n";
    format!(
        "schema = 1\nproject = \"demo\"\n[people]\n{}[environments]\n{environments}",
        people.concat()
    )
}

/// Returns alice's clone with two commits, the first of which runs in dev, which has a lock.
fn begun(world: &World) -> (Member<'_>, Member<'_>, String) {
    let server = world.bare_server("server.git");
    let (alice, bob) = (
        Member::new(world, &server, "alice"),
        Member::new(world, &server, "bob"),
    );
    let first = alice.repo.commit("file", "one\n", "Begin");
    alice.begin(&policy(&[&alice, &bob]));
    world.advance("10m");
    alice.record("dev", &first, None);
    world.advance("10m");
    alice.append("dev", a_lock(), None, |_| ());
    alice.repo.commit("file", "two\n", "Go on");
    world.advance("10m");
    (alice, bob, first)
}

/// What a person sees first; nothing is fetched, signed or asked.
#[test]
fn status_log_show_check_and_audit() {
    let world = World::new();
    let (alice, _, first) = begun(&world);
    let _hidden = with_random_keys().bind_to_scope();
    insta::assert_snapshot!(
        "status",
        alice.repo.deploy(&["status", "--dates=relative"]).ok()
    );
    insta::assert_snapshot!("log", alice.repo.deploy(&["log", "--dates=relative"]).ok());
    insta::assert_snapshot!(
        "log_all",
        alice
            .repo
            .deploy(&["log", "--all", "--dates=relative"])
            .ok()
    );
    insta::assert_snapshot!(
        "show",
        alice.repo.deploy(&["show", "dev", "--dates=relative"]).ok()
    );
    insta::assert_snapshot!(
        "check",
        alice
            .repo
            .deploy(&["check", "prod", "dev", "--by", "alice"])
            .fails(1)
    );
    insta::assert_snapshot!(
        "audit",
        alice.repo.deploy(&["audit", "--dates=relative"]).ok()
    );
    let status = alice.repo.deploy(&["status", "--json", "dev"]).ok().json();
    assert_eq!(status["schema"], "git-deploy/status/v1");
    let component = &status["environments"][0]["components"][0];
    assert_eq!(
        (&component["commit"], &component["state"]),
        (&first.as_str().into(), &"live".into())
    );
    assert_eq!(component["behind"]["commits"], 1);
}

/// Each document names its schema, and a refusal is visible in exit code and document.
#[test]
fn documents_name_their_schema() {
    let world = World::new();
    let (alice, ..) = begun(&world);
    let log = alice
        .repo
        .deploy(&["log", "--json", "-n", "1", "--all"])
        .ok()
        .json();
    assert_eq!(
        (&log["schema"], &log["truncated"]),
        (&"git-deploy/log/v1".into(), &true.into())
    );
    assert_eq!(log["entries"][0]["result"], "locked");
    let show = alice.repo.deploy(&["show", "--json", "dev"]).ok().json();
    assert_eq!(show["environments"][0]["runs"][0]["state"], "runs");
    assert_eq!(show["environments"][1]["next"]["decision"], "refused");
    let check = alice
        .repo
        .deploy(&["check", "--json", "prod", "dev"])
        .fails(1)
        .json();
    assert_eq!(
        (&check["schema"], &check["decision"]),
        (&"git-deploy/check/v1".into(), &"refused".into())
    );
    alice.repo.deploy(&["check", "nowhere"]).fails(2);
    alice
        .repo
        .deploy(&["check", "prod", "no-such-commit"])
        .fails(2);
    let audit = alice.repo.deploy(&["audit", "--json", "dev"]).ok().json();
    let ledgers: Vec<&str> = audit["ledgers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["ledger"].as_str().unwrap())
        .collect();
    assert_eq!(ledgers, ["policy", "dev"]);
}

/// An audit continues after a removed person's entry under the older policy, a forged state and a
/// false note.
#[test]
fn an_audit_continues_after_a_finding() {
    let world = World::new();
    let (alice, bob, _) = begun(&world);
    let repo = &alice.repo;
    let older = EntryId(repo.rev("refs/deploy/policy").parse().unwrap());
    let carol = Member::new(&world, &world.bare_server("other.git"), "carol");
    alice.publish(&policy(&[&alice, &carol]), false);
    // Bob is gone, and signs as if he were not.
    bob.repo
        .git(&["fetch", "-q", &repo.url(), "refs/deploy/*:refs/deploy/*"])
        .ok();
    let sneaked = bob.append("dev", a_lock(), None, |statement| {
        statement.seen.insert("policy".parse().unwrap(), older);
    });
    repo.git(&[
        "fetch",
        "-q",
        &bob.repo.url(),
        "+refs/deploy/*:refs/deploy/*",
    ])
    .ok();
    let audit = repo.deploy(&["audit", "--json"]).fails(1).json();
    let ledger = audit["ledgers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["ledger"] == "dev")
        .unwrap();
    let found: Vec<_> = ledger["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["entry"] == sneaked.to_string().as_str())
        .collect();
    assert!(
        found
            .iter()
            .any(|it| it["detail"].as_str().unwrap().contains("older policy")),
        "{audit:#}"
    );
    let remark = &ledger["remarks"][0]["detail"];
    assert!(
        remark.as_str().is_some_and(|text| text.contains("bob")),
        "{audit:#}"
    );

    // A state that no entry gives: prod's tip with a tree of code.
    let tip = repo.rev("refs/deploy/dev");
    let forged = repo
        .git(&["commit-tree", "-p", &tip, "-m", "forged", "HEAD^{tree}"])
        .ok()
        .text();
    repo.git(&["update-ref", "refs/deploy/dev", &forged]).ok();
    repo.git(&[
        "notes",
        "--ref=deploy",
        "add",
        "-m",
        "deployed everywhere",
        "HEAD",
    ])
    .ok();
    let run = repo.deploy(&["audit"]).fails(1);
    let text = run.text();
    for words in [
        "✗ dev",
        "it is not an entry",
        "older policy",
        "✗ notes",
        "✓ policy",
    ] {
        assert!(text.contains(words), "{words}: {run}");
    }
}

/// Open runs, ephemeral environments and a start without an end are shown from the state alone.
#[test]
fn open_runs_and_ephemeral_environments_are_shown() {
    let world = World::new();
    let (alice, _, first) = begun(&world);
    let deployment = |from: Option<&str>| match alice.a_record("HEAD", from) {
        Action::Record(record) => record,
        other => panic!("{other:?}"),
    };
    let start = Start {
        run: RunId([7; 16]),
        deployment: deployment(Some(&first)).deployment,
    };
    // Nothing starts in a locked environment.
    let unlock = Action::Unlock(Unlock {
        component: None,
        commit: None,
        holds: vec![],
        comment: None,
    });
    alice.append("dev", unlock, None, |_| ());
    alice.append("dev", Action::Start(start), None, |_| ());
    alice.append("dev", a_lock(), None, |_| ());
    let mut record = deployment(None);
    record.deployment.expires = Some(world.now().plus("8h".parse().unwrap()));
    alice.append("pr", Action::Record(record), None, |statement| {
        statement.environment = Some("pr-17".parse().unwrap());
    });
    world.advance("40s");
    let _hidden = with_random_keys().bind_to_scope();
    insta::assert_snapshot!(
        "under_way",
        alice.repo.deploy(&["status", "--dates=relative"]).ok()
    );
    insta::assert_snapshot!(
        "under_way_log",
        alice.repo.deploy(&["log", "--dates=relative"]).ok()
    );
    insta::assert_snapshot!(
        "under_way_show",
        alice.repo.deploy(&["show", "--dates=relative"]).ok()
    );
    let only = alice.repo.deploy(&["log", "--json", "pr-17"]).ok().json();
    assert_eq!(only["entries"].as_array().unwrap().len(), 1);
}

/// Without the network every command says how old its data is, and what the remote was caught
/// doing.
#[test]
fn the_age_of_the_last_fetch_is_shown() {
    let world = World::new();
    let (alice, bob, _) = begun(&world);
    alice
        .push(&["HEAD:refs/heads/main", "refs/deploy/*:refs/deploy/*"])
        .ok();
    alice.repo.deploy(&["sync"]).ok();
    world.advance("3m");
    let status = alice.repo.deploy(&["status", "--dates=relative"]).ok();
    assert!(
        status
            .text()
            .ends_with("fetched 3 min ago (update: git deploy sync)"),
        "{status}"
    );
    assert!(status.err().is_empty(), "{status}");
    assert_eq!(
        alice.repo.deploy(&["audit", "--json"]).ok().json()["pinned"],
        true
    );

    // What git itself has fetched is not believed yet, which is no reason to worry.
    bob.repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    bob.append("prod", a_lock(), None, |_| ());
    bob.push(&["refs/deploy/prod"]).ok();
    alice
        .repo
        .git(&[
            "fetch",
            "-q",
            "origin",
            "+refs/deploy/*:refs/deploy-incoming/*",
        ])
        .ok();
    let status = alice.repo.deploy(&["status"]).ok();
    assert!(status.err().is_empty(), "{status}");

    // A server without hooks lets somebody rewrite a ledger; the next sync refuses, and every look tells.
    alice
        .push(&["-f", "refs/deploy/dev~1:refs/deploy/dev"])
        .ok();
    alice.repo.deploy(&["sync"]).fails(1);
    let status = alice.repo.deploy(&["status"]).ok();
    assert!(
        status
            .err()
            .starts_with("warning: the remote has rewritten the ledger dev"),
        "{status}"
    );
    let audit = alice.repo.deploy(&["audit"]).fails(1);
    assert!(
        audit
            .text()
            .contains("the remote has rewritten the ledger dev"),
        "{audit}"
    );
}

/// A policy that cannot be read stops every deployment, and an audit names its entry.
#[test]
fn an_unreadable_policy_stops_deployments() {
    let world = World::new();
    let (alice, ..) = begun(&world);
    let broken = alice.publish("schema = 1\nproject = 3\n", false);
    let audit = alice.repo.deploy(&["audit", "--json"]).fails(1).json();
    assert_eq!(
        audit["ledgers"][0]["findings"][0]["entry"],
        broken.to_string().as_str(),
        "{audit:#}"
    );
    alice.repo.deploy(&["status"]).fails(3);
}

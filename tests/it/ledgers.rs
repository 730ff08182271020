//! Ledgers on a server: what is allowed is written whole and durably; what is not leaves nothing
//! behind.

use git_deploy::testing::domain::id::EntryId;

use crate::harness::member::a_lock;
use crate::harness::{Member, Repo, Run, World};

/// Returns a policy with these people's keys, two environments and the given rest.
fn policy(people: &[&Member<'_>], more: &str) -> String {
    let people: Vec<String> = people
        .iter()
        .map(|member| format!("{} = \"{}\"\n", member.person, member.key()))
        .collect();
    let people = people.concat();
    format!(
        "schema = 1\nproject = \"demo\"\n[people]\n{people}[environments]\ndev = {{}}\nprod = {{ promote_from = \"dev\" }}\n{more}"
    )
}

/// Returns a server that trusts alice, and her clone with one commit and the first policy in force.
fn served(world: &World) -> (Repo<'_>, Member<'_>) {
    let server = world.bare_server("server.git");
    let alice = Member::new(world, &server, "alice");
    server
        .deploy(&["server", "init", ".", "--admin", &alice.key().to_string()])
        .ok();
    alice.repo.commit("file", "one\n", "Begin");
    alice.begin(&policy(&[&alice], ""));
    alice
        .push(&["HEAD:refs/heads/main", "refs/deploy/policy"])
        .ok();
    (server, alice)
}

fn said(run: &Run<'_>) -> String {
    let lines = run.err();
    let lines = lines
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "))
        .map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

fn refs(server: &Repo<'_>) -> String {
    server
        .git(&["for-each-ref", "--format=%(refname) %(objectname)"])
        .ok()
        .text()
}

/// Checks that the push is refused with this rule's words, and that no ref has moved.
#[track_caller]
fn refused(server: &Repo<'_>, run: Run<'_>, before: &str, rule: &str) {
    let run = run.fails(1);
    assert!(said(&run).contains(&format!("  ✗ {rule}")), "{rule}: {run}");
    assert_eq!(refs(server), before, "{run}");
}

/// A project begins, deploys and promotes; git and the notes show it, and the repository is sound.
#[test]
fn a_project_begins_deploys_and_promotes() {
    for world in [World::new(), World::sha256()] {
        let (server, alice) = served(&world);
        let commit = alice.repo.rev("HEAD");
        let dev = alice.record("dev", "HEAD", None);
        assert_eq!(said(&alice.push(&["refs/deploy/dev"]).ok()), "");
        world.advance("10m");
        let prod = alice.append("prod", alice.a_record("HEAD", None), None, |statement| {
            statement.seen.insert("dev".parse().unwrap(), dev);
        });
        alice.push(&["refs/deploy/prod"]).ok();
        assert_eq!(server.rev("refs/deploy/prod"), prod.to_string());
        let notes = server
            .git(&["notes", "--ref=deploy", "show", &commit])
            .ok()
            .text();
        assert_eq!(
            notes
                .lines()
                .filter(|line| line.contains("deployed"))
                .count(),
            2,
            "{notes}"
        );
        server.git(&["fsck", "--strict"]).ok();
        // A bare repository has a reflog for them, for the day after an accident.
        let log = server
            .git(&["reflog", "show", "--format=%gs", "refs/deploy/prod"])
            .ok()
            .text();
        assert_eq!(log, "git-deploy: push");
    }
}

/// Each entry of a push is judged after the one before it; a bad one in the middle stops all.
#[test]
fn several_entries_in_one_push() {
    let world = World::new();
    let (server, alice) = served(&world);
    alice.record("dev", "HEAD", None);
    let good = alice.append("dev", a_lock(), None, |_| ());
    alice.push(&["refs/deploy/dev"]).ok();
    assert_eq!(server.rev("refs/deploy/dev"), good.to_string());
    let before = refs(&server);
    alice.append("prod", a_lock(), None, |_| ());
    alice.append("prod", a_lock(), None, |_| ());
    let run = alice.push(&["refs/deploy/prod"]);
    assert!(said(&run).contains("(entry 2 of 2: lock prod)"), "{run}");
    refused(&server, run, &before, "state");
}

/// Rewinding, forking and deleting a ledger are refused, also with force.
#[test]
fn ledgers_only_grow() {
    let world = World::new();
    let (server, alice) = served(&world);
    let first = alice.record("dev", "HEAD", None);
    alice.append("dev", a_lock(), None, |_| ());
    alice.push(&["refs/deploy/dev"]).ok();
    let before = refs(&server);
    refused(
        &server,
        alice.push(&[&format!("+{first}:refs/deploy/dev")]),
        &before,
        "chain",
    );
    refused(&server, alice.push(&[":refs/deploy/dev"]), &before, "chain");
    // A fork of the same length, and a longer one.
    alice
        .repo
        .git(&["update-ref", "refs/deploy/dev", &first.to_string()])
        .ok();
    world.advance("1m");
    alice.append("dev", a_lock(), None, |_| ());
    refused(&server, alice.push(&["+refs/deploy/dev"]), &before, "chain");
    alice.append("dev", a_lock(), None, |statement| {
        statement.action = alice.a_record("HEAD", Some("HEAD"));
    });
    refused(&server, alice.push(&["+refs/deploy/dev"]), &before, "chain");
    // The code first, the ledger second.
    let tree = alice.repo.rev(&format!("{first}^{{tree}}"));
    let forged = alice
        .repo
        .git(&[
            "commit-tree",
            "-m",
            "x",
            "-p",
            "HEAD",
            "-p",
            &first.to_string(),
            &tree,
        ])
        .ok()
        .text();
    refused(
        &server,
        alice.push(&[&format!("+{forged}:refs/deploy/dev")]),
        &before,
        "chain",
    );
}

/// An id of the other hash is refused wherever an entry names it.
#[test]
fn ids_of_another_hash_are_refused() {
    for world in [World::new(), World::sha256()] {
        let (server, alice) = served(&world);
        let before = refs(&server);
        let own = alice.repo.rev("refs/deploy/policy");
        let alien: EntryId = "ab"
            .repeat(if own.len() == 40 { 32 } else { 20 })
            .parse()
            .unwrap();
        alice.append("dev", a_lock(), None, |statement| {
            statement.seen.insert("policy".parse().unwrap(), alien);
        });
        let run = alice.push(&["refs/deploy/dev"]);
        assert!(
            run.words_of_err()
                .contains("not an id of this repository's hash"),
            "{run}"
        );
        refused(&server, run, &before, "chain");
    }
}

/// Of two concurrent pushes one is accepted, and the other is told to try again.
#[test]
fn a_lost_race_is_reported() {
    let world = World::new();
    let (server, alice) = served(&world);
    alice.append("dev", a_lock(), None, |_| ());
    alice.push(&["refs/deploy/dev"]).ok();
    let before = refs(&server);
    // As if the ledger had not been seen: a different lock, on the genesis again.
    alice
        .repo
        .git(&["update-ref", "-d", "refs/deploy/dev"])
        .ok();
    world.advance("1m");
    alice.append("dev", a_lock(), None, |_| ());
    refused(&server, alice.push(&["+refs/deploy/dev"]), &before, "chain");
}

/// Only the admin whom the owner named begins a project, and only once.
#[test]
fn only_the_named_admin_begins_a_project() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let (alice, mallory) = (
        Member::new(&world, &server, "alice"),
        Member::new(&world, &server, "mallory"),
    );
    server
        .deploy(&["server", "init", ".", "--admin", &alice.key().to_string()])
        .ok();
    mallory.begin(&policy(&[&mallory], ""));
    refused(
        &server,
        mallory.push(&["refs/deploy/policy"]),
        "",
        "authorization",
    );
    alice.begin(&policy(&[&alice], ""));
    alice.push(&["refs/deploy/policy"]).ok();
    let before = refs(&server);
    refused(
        &server,
        mallory.push(&["+refs/deploy/policy"]),
        &before,
        "chain",
    );
    // Whoever installs the hooks anew for somebody else learns that the project has another root.
    server.git(&["config", "--unset-all", "deploy.admin"]).ok();
    server
        .deploy(&["server", "init", ".", "--admin", &mallory.key().to_string()])
        .fails(1);
}

/// The first policy and an entry under it are not accepted together.
#[test]
fn a_push_does_not_rely_on_itself() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let alice = Member::new(&world, &server, "alice");
    server
        .deploy(&["server", "init", ".", "--admin", &alice.key().to_string()])
        .ok();
    alice.begin(&policy(&[&alice], ""));
    alice.append("dev", a_lock(), None, |_| ());
    refused(
        &server,
        alice.push(&["refs/deploy/policy", "refs/deploy/dev"]),
        "",
        "chain",
    );
    alice.push(&["refs/deploy/policy"]).ok();
    alice.push(&["refs/deploy/dev"]).ok();
    // A policy that moves in a push has moved for the rest of it: pre-receive alone cannot see that.
    world.advance("1m");
    alice.publish(&policy(&[&alice], "qa = {}\n"), false);
    let old = server.rev("refs/deploy/policy");
    alice.append("prod", a_lock(), None, |statement| {
        statement
            .seen
            .insert("policy".parse().unwrap(), EntryId(old.parse().unwrap()));
    });
    let run = alice
        .push(&["refs/deploy/policy", "refs/deploy/prod"])
        .fails(1);
    assert!(
        said(&run).contains("git-deploy: refused  refs/deploy/prod  (lock prod)\n  ✗ chain"),
        "{run}"
    );
    assert_eq!(
        server.rev("refs/deploy/policy"),
        alice.repo.rev("refs/deploy/policy")
    );
    server
        .git(&["rev-parse", "--verify", "-q", "refs/deploy/prod"])
        .fails(1);
}

/// A bound branch moves only as the environment's rules allow; in evaluation a violation is only
/// reported.
#[test]
fn bound_branches_follow_the_rules() {
    let world = World::new();
    let (server, alice) = served(&world);
    let bound = "qa = { promote_from = \"dev\", branch = \"qa\", tag = \"qa-{version}\"ENFORCE }\n";
    world.advance("1m");
    alice.publish(&policy(&[&alice], &bound.replace("ENFORCE", "")), false);
    alice.push(&["refs/deploy/policy"]).ok();
    let before = refs(&server);
    refused(
        &server,
        alice.push(&["HEAD:refs/heads/qa"]),
        &before,
        "previous environment",
    );
    refused(
        &server,
        alice.push(&["HEAD:refs/tags/qa-1"]),
        &before,
        "tag",
    );
    refused(
        &server,
        alice.push(&["HEAD:refs/tags/qa-1", "HEAD:refs/heads/free"]),
        &before,
        "tag",
    );
    alice
        .push(&["HEAD:refs/heads/free", "HEAD:refs/tags/free-1"])
        .ok();
    world.advance("1m");
    alice.publish(
        &policy(
            &[&alice],
            &bound.replace("ENFORCE", ", enforcement = \"evaluate\""),
        ),
        false,
    );
    alice.push(&["refs/deploy/policy"]).ok();
    let told = alice.push(&["HEAD:refs/heads/qa"]).ok();
    assert!(
        said(&told)
            .contains("is accepted because the policy does not enforce its rules  refs/heads/qa"),
        "{told}"
    );
}

/// An atomic push is accepted as a whole or not at all.
#[test]
fn atomic_pushes_are_all_or_nothing() {
    let world = World::new();
    let (server, alice) = served(&world);
    std::fs::remove_file(server.path().join("hooks/pre-receive")).unwrap();
    let before = refs(&server);
    alice.append("dev", a_lock(), None, |_| ());
    alice.append("prod", a_lock(), None, |statement| statement.sequence += 1);
    let both = ["refs/deploy/dev", "refs/deploy/prod"];
    refused(
        &server,
        alice.push(&[&["--atomic"], &both[..]].concat()),
        &before,
        "chain",
    );
    alice.push(&both).fails(1);
    server
        .git(&["rev-parse", "--verify", "-q", "refs/deploy/prod"])
        .fails(1);
    assert_eq!(
        server.rev("refs/deploy/dev"),
        alice.repo.rev("refs/deploy/dev")
    );
}

/// If all admin keys are lost, the owner can let one publication in, and no second.
#[test]
fn recovery_accepts_one_publication() {
    let world = World::new();
    let (server, _) = served(&world);
    let bob = Member::new(&world, &server, "bob");
    bob.repo
        .git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"])
        .ok();
    world.advance("1m");
    // The admins that go without saying are those of the genesis, and they are lost.
    let admins = "[policy]\nadmins = \"bob\"\n";
    bob.publish(&policy(&[&bob], admins), true);
    let before = refs(&server);
    refused(
        &server,
        bob.push(&["refs/deploy/policy"]),
        &before,
        "authorization",
    );
    server
        .deploy(&["server", "init", ".", "--recover", &bob.key().to_string()])
        .ok();
    // Two at once are one too many.
    let one = bob.repo.rev("refs/deploy/policy");
    bob.publish(&policy(&[&bob], &format!("qa = {{}}\n{admins}")), true);
    refused(
        &server,
        bob.push(&["refs/deploy/policy"]),
        &before,
        "authorization",
    );
    bob.repo
        .git(&["update-ref", "refs/deploy/policy", &one])
        .ok();
    bob.push(&["refs/deploy/policy"]).ok();
    server.git(&["config", "deploy.recovery"]).fails(1);
    world.advance("1m");
    let before = refs(&server);
    bob.publish(&policy(&[&bob], &format!("qa = {{}}\n{admins}")), true);
    refused(
        &server,
        bob.push(&["refs/deploy/policy"]),
        &before,
        "authorization",
    );
}

/// If notes could not be written, the entry is in, and the next push completes them.
#[test]
fn notes_catch_up() {
    let world = World::new();
    let (server, alice) = served(&world);
    // No ref is both a file and a folder, so this one stands in the way.
    server.git(&["update-ref", "-d", "refs/notes/deploy"]).ok();
    server
        .git(&["update-ref", "refs/notes/deploy/x", "refs/heads/main"])
        .ok();
    let dev = alice.record("dev", "HEAD", None);
    let run = alice.push(&["refs/deploy/dev"]).ok();
    assert!(
        said(&run)
            .contains("git-deploy: accepted, but the notes are out of date until the next push"),
        "{run}"
    );
    assert_eq!(server.rev("refs/deploy/dev"), dev.to_string());
    server
        .git(&["update-ref", "-d", "refs/notes/deploy/x"])
        .ok();
    alice.append("dev", a_lock(), None, |_| ());
    alice.push(&["refs/deploy/dev"]).ok();
    let notes = server
        .git(&["notes", "--ref=deploy", "show", &alice.repo.rev("HEAD")])
        .ok()
        .text();
    assert!(
        notes.contains(&format!("dev@{}", &dev.to_string()[..10])),
        "{notes}"
    );
}

/// Of many concurrent pushes to one ledger exactly one is accepted, and no accepted entry is lost.
#[test]
fn concurrent_pushes_lose_nothing() {
    let world = World::new();
    let (server, alice) = served(&world);
    let dev = |_| {
        alice
            .repo
            .git(&["update-ref", "-d", "refs/deploy/dev"])
            .ok();
        alice.append("dev", a_lock(), None, |_| ()).to_string()
    };
    // Signatures are random, so each is another entry at the same place.
    let rivals: Vec<String> = (0..4).map(dev).collect();
    let prod = alice.append("prod", a_lock(), None, |_| ()).to_string();
    let pushes: Vec<String> = rivals
        .iter()
        .map(|id| format!("{id}:refs/deploy/dev"))
        .collect();
    let pushes: Vec<String> = pushes
        .into_iter()
        .chain([format!("{prod}:refs/deploy/prod")])
        .collect();
    let won = std::thread::scope(|scope| {
        let push = |refspec| {
            let alice = &alice;
            scope.spawn(move || alice.push(&[refspec]).succeeded())
        };
        let running: Vec<_> = pushes
            .iter()
            .map(|refspec| push(refspec.as_str()))
            .collect();
        running
            .into_iter()
            .map(|push| push.join().unwrap())
            .collect::<Vec<bool>>()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 2, "{won:?}");
    assert!(won[4]);
    let winner = rivals.iter().zip(&won).find(|(_, won)| **won).unwrap().0;
    assert_eq!(
        (
            &server.rev("refs/deploy/dev"),
            server.rev("refs/deploy/prod")
        ),
        (winner, prod)
    );
    server.git(&["fsck", "--strict"]).ok();
    let covered = server
        .git(&["log", "-1", "--format=%b", "refs/notes/deploy"])
        .ok()
        .text();
    assert!(covered.contains(winner.as_str()), "{covered}");
    // Neither the winners nor the losers left anything but the lock and the record behind.
    let left = std::fs::read_dir(server.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let left: std::collections::BTreeSet<String> =
        left.filter(|name| name.starts_with("git-deploy")).collect();
    let expected = ["git-deploy", "git-deploy.lock"].map(str::to_owned);
    assert_eq!(left, expected.into());
}

//! Pushes that mean one thing to git and would mean another to a careless reader: forged with plain bytes and real keys.

use git_deploy::domain::id::Oid;

use crate::harness::{Forge, Project, Run, World};

/// Prod's branch moves only to what runs there.
const BOUND: &str = "[environments]\nprod = { branch = \"prod\", deploy_on = \"approval\" }\n";

/// For git the parents of a commit end at the first other header. One behind it must not make an orphan look like a descendant: a
/// bound branch would lose its whole history to a commit with an equal tree.
#[test]
fn parents_that_git_does_not_see() {
    let world = World::new();
    let project = Project::new(&world, BOUND);
    let alice = &project.alice;
    project.ci.deploy(&["record", "prod", "--verification", "passed"]).ok();
    alice.push(&["HEAD:refs/heads/prod"]).ok();
    let (head, tree) = (alice.repo.rev("HEAD"), alice.repo.rev("HEAD^{tree}"));
    let who = format!("alice <alice@example.com> {} +0000", world.now().seconds());
    let forged = |between: &str| -> Oid {
        let raw = format!("tree {tree}\n{between}parent {head}\nauthor {who}\ncommitter {who}\n\nforged\n");
        alice.repository().write_commit(raw.as_bytes()).unwrap()
    };
    let orphan = forged("x-note nothing\n");
    assert_eq!(alice.repo.git(&["rev-list", "--count", &orphan.to_string()]).ok().text(), "1");
    project.refused(&["branch"], || alice.push(&[&format!("+{orphan}:refs/heads/prod")]));
    let child = forged("");
    alice.push(&[&format!("{child}:refs/heads/prod")]).ok();
    project.audited();
}

/// A bound ref is judged from where it is. A pusher who says where another push is about to bring it would be judged from here and,
/// once it is there, moved from there: backwards, or a second time.
#[test]
fn made_up_old_ids() {
    let world = World::new();
    let project = Project::new(&world, BOUND);
    project.ci.deploy(&["record", "prod", "--verification", "passed"]).ok();
    let head = project.alice.repo.rev("HEAD");
    let zero = "0".repeat(head.len());
    let judged = |old: &str, name: &str| {
        let script = format!("printf '{old} {head} {name}\\n' | GIT_DIR=. git-deploy hook pre-receive");
        Run::of(&world, project.server.command("sh").args(["-c", &script]))
    };
    let run = judged(&head, "refs/heads/prod").fails(1);
    assert!(run.err().contains("not where the push says"), "{run}");
    judged(&zero, "refs/heads/prod").ok();
}

/// On a forge without our hooks anybody may push anything. A forged policy is found, and must not be what lets a forged entry in that was made
/// under it: every ledger stays at its last good tip.
#[test]
fn under_a_forged_policy() {
    let world = World::new();
    let server = world.bare_server("server.git");
    let policy = |forge: &Forge<'_>| {
        let person = format!("{} = {{ key = \"{}\" }}", forge.person, forge.key());
        format!("schema = 1\nproject = \"demo\"\n[people]\n{person}\n[environments]\nprod = {{}}\n")
    };
    let alice = Forge::new(&world, &server, "alice");
    alice.repo.commit("file", "content\n", "Begin");
    alice.begin(&policy(&alice));
    alice.push(&["HEAD:refs/heads/main", "refs/deploy/policy"]).ok();
    let (bob, mallory) = (Forge::new(&world, &server, "bob"), Forge::new(&world, &server, "mallory"));
    bob.deploy(&["init", "--remote", "origin", "--yes"]);
    bob.deploy(&["sync"]).ok();
    let before = bob.repo.git(&["for-each-ref", "refs/deploy/"]).ok().text();

    mallory.repo.git(&["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"]).ok();
    mallory.publish(&policy(&mallory), false);
    mallory.record("prod", "HEAD", None);
    mallory.push(&["refs/deploy/*:refs/deploy/*"]).ok();
    let run = bob.deploy(&["sync"]);
    assert!(!run.succeeded(), "{run}");
    assert_eq!(bob.repo.git(&["for-each-ref", "refs/deploy/"]).ok().text(), before, "{run}");

    // An auditor takes everything over as it is, and still is not taken in by what only the forged policy allows.
    bob.repo.git(&["fetch", "-q", "origin", "+refs/deploy/*:refs/deploy/*"]).ok();
    let said = bob.deploy(&["audit"]).fails(1).to_string();
    assert!(said.contains("of policy, which does not stand"), "{said}");
}

//! Every rule, checked by its server: refused with the rule's name and nothing moved; then the
//! honest way, which works.
//!
//! A refusal names all broken rules, so a test that fixes one after another shows that each is
//! reported by its own rule.

use crate::harness::{Project, World};

/// A commit on its way to prod meets each rule in turn: lock, checks, artifact, previous
/// environment, approvals, soak, freeze.
#[test]
fn every_rule_on_the_way_to_prod() {
    let world = World::new();
    let project = Project::new(
        &world,
        r#"[environments]
dev = { deployers = "ci" }

[environments.prod]
promote_from = "dev"
soak = "1h"
approvals = { required = 1, by = ["bob", "carol"] }
checks = ["test-result"]
artifact = "required"
freeze = [{ start = "Thu 09:00", end = "Thu 13:00", reason = "market" }]

[checks]
test-result = { by = "ci" }

[artifacts]
by = "ci"
"#,
    );
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    let to_prod = || ci.deploy(&["record", "prod", "--no-verify"]);
    carol.deploy(&["lock", "prod", "-m", "incident 4711"]).ok();
    let all = [
        "approvals",
        "artifact",
        "checks",
        "freeze",
        "lock",
        "previous environment",
        "soak",
    ];
    let said = project.refused(&all, to_prod);
    assert!(
        said.contains("locked by carol since\n")
            && said.contains("2026-03-05T10:01:00Z: incident 4711")
            && said.contains("→ git deploy unlock prod"),
        "{said}"
    );

    project.refused(&["authorization"], || {
        bob.deploy(&["record", "dev", "--no-verify"])
    });
    ci.deploy(&["record", "dev", "--verification", "failed"])
        .ok();
    project.refused(&all, to_prod);
    ci.deploy(&["record", "dev", "--all", "--verification", "passed"])
        .ok();
    project.refused(
        &["approvals", "artifact", "checks", "freeze", "lock", "soak"],
        to_prod,
    );

    // Only a person unlocks.
    project.refused(&["authorization"], || {
        ci.deploy(&["unlock", "prod", "--no-verify"])
    });
    bob.deploy(&["unlock", "prod"]).ok();
    project.refused(
        &["approvals", "artifact", "checks", "freeze", "soak"],
        to_prod,
    );

    // Whose word counts is the policy's business, and of several words the last one.
    project.refused(&["authorization"], || {
        bob.deploy(&["attest", "test-result", "--result", "passed", "--no-verify"])
    });
    ci.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    ci.deploy(&["attest", "test-result", "--result", "failed"])
        .ok();
    project.refused(
        &["approvals", "artifact", "checks", "freeze", "soak"],
        to_prod,
    );
    ci.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    project.refused(&["approvals", "artifact", "freeze", "soak"], to_prod);

    let image = |digit: &str| format!("registry.example/demo@sha256:{}", digit.repeat(64));
    project.refused(&["authorization"], || {
        bob.deploy(&["register", &image("1"), "--no-verify"])
    });
    ci.deploy(&["register", &image("1")]).ok();
    // One name, one build: another digest for the same content is refused where it is registered.
    project.refused(&["artifact"], || {
        ci.deploy(&["register", &image("2"), "--no-verify"])
    });
    let said = project.refused(&["approvals", "artifact", "freeze", "soak"], to_prod);
    assert!(said.contains("dev ran none"), "{said}");
    ci.deploy(&["record", "dev", "--all", "--verification", "passed"])
        .ok();
    project.refused(&["approvals", "freeze", "soak"], to_prod);

    project.refused(&["authorization"], || {
        project.alice.deploy(&["approve", "prod", "--no-verify"])
    });
    project.refused(&["authorization"], || {
        ci.deploy(&["approve", "prod", "--no-verify"])
    });
    bob.deploy(&["approve", "prod"]).ok();
    project.refused(&["freeze", "soak"], to_prod);
    world.advance("66m");
    let said = project.refused(&["freeze"], to_prod);
    assert!(said.contains("frozen: market, until 13:00 UTC"), "{said}");
    world.advance("2h");
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();

    // The approval is used up, and the next commit begins at the beginning.
    project.push("api/x", "two\n");
    project.refused(
        &[
            "approvals",
            "artifact",
            "checks",
            "previous environment",
            "soak",
        ],
        to_prod,
    );
    project.audited();
}

/// Main is prod's branch: what may go on it, what is deployed from it, in which direction, and
/// under which version and tag.
#[test]
fn rules_of_bound_branches() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nprod = {}\n");
    let (alice, ci) = (&project.alice, &project.ci);
    alice.repo.commit("VERSION", "1.0.0\n", "Begin to count");
    let one = project.push("api/x", "one and a half\n");
    project.publish(
        r#"[environments.prod]
branch = "main"
up_to_date = true
version = { from = "file:VERSION", require_bump = true }
tag = "v{version}"
"#,
    );
    let tag = |name: &str, commit: &str| alice.push(&[&format!("+{commit}:refs/tags/{name}")]);
    project.refused(&["tag"], || tag("v1.0.0", &one));
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    tag("v1.0.0", &one).ok();
    alice.push(&["HEAD:refs/tags/free"]).ok();

    // The branch faces the rules of the environment, and its own.
    let same = project.commit("api/x", "two\n");
    project.refused(&["version"], || alice.push(&["HEAD:refs/heads/main"]));
    let two = alice.repo.commit("VERSION", "2.0.0\n", "Count on");
    // Before it is merged, neither the deployment nor the tag.
    project.refused(&["up to date"], || {
        alice.deploy(&["record", "prod", "--no-verify"])
    });
    project.refused(&["tag"], || tag("v2.0.0", &two));
    alice.push(&["HEAD:refs/heads/main"]).ok();
    alice.push(&[&format!("{same}:refs/heads/topic")]).ok();
    project.fetch();
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    tag("v2.0.0", &two).ok();
    project.refused(&["tag"], || tag("v1.0.0", &two));
    project.refused(&["tag"], || alice.push(&[":refs/tags/v1.0.0"]));

    // Back goes only a rollback, and the branch never.
    let back = format!("+{one}:refs/heads/main");
    project.refused(&["branch", "fast-forward", "version"], || {
        alice.push(&[&back])
    });
    project.refused(&["branch"], || alice.push(&[":refs/heads/main"]));
    project.refused(&["fast-forward", "up to date", "version"], || {
        ci.deploy(&["record", "prod", &one, "--no-verify"])
    });
    project.refused(&["fast-forward"], || {
        ci.deploy(&["record", "prod", &same, "--rollback", "--no-verify"])
    });
    ci.deploy(&[
        "record",
        "prod",
        &one,
        "--rollback",
        "--verification",
        "passed",
    ])
    .ok();

    // What was rolled back comes back when a person says so.
    let said = project.refused(&["hold"], || ci.deploy(&["record", "prod", "--no-verify"]));
    assert!(said.contains("on hold"), "{said}");
    project.refused(&["authorization"], || {
        ci.deploy(&["unlock", "prod", "--commit", &two, "--no-verify"])
    });
    project
        .carol
        .deploy(&["unlock", "prod", "--commit", &two])
        .ok();
    ci.deploy(&["record", "prod", "--verification", "passed"])
        .ok();
    project.audited();
}

/// If a commit is deployed before its branch moves, only what runs may be merged.
#[test]
fn only_running_commits_are_merged() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\nqa = { branch = \"main\", deploy_on = \"approval\" }\n",
    );
    let alice = &project.alice;
    alice.deploy(&["record", "qa"]).ok();
    let two = project.commit("api/x", "two\n");
    let push = |commit: &str| alice.push(&[&format!("{commit}:refs/heads/main")]);
    project.refused(&["branch"], || push(&two));
    alice.deploy(&["record", "qa"]).ok();
    // A descendant of what runs is something else; so is an orphan with the very same tree.
    let three = project.commit("api/x", "three\n");
    project.refused(&["branch"], || push(&three));
    let orphan = alice
        .repo
        .git(&["commit-tree", "-m", "x", &format!("{two}^{{tree}}")])
        .ok()
        .text();
    project.refused(&["branch"], || {
        alice.push(&[&format!("+{orphan}:refs/heads/main")])
    });
    push(&two).ok();
    // Nobody knows what a failure left behind.
    alice.deploy(&["record", "qa", "--failed"]).ok();
    let unknown = push(&three).fails(1);
    assert!(
        unknown
            .err()
            .contains("git-deploy: cannot tell  refs/heads/main"),
        "{unknown}"
    );
    alice
        .deploy(&["record", "qa", "--no-verify", "--rollback", &two])
        .ok();
    project.audited();
}

/// A yanked commit or artifact is not deployed; the next one is.
#[test]
fn yanked_commits_are_refused() {
    use git_deploy::testing::domain::entry::{Action, Unyank, Yank};
    use git_deploy::testing::domain::id::{CommitId, Digest};
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = 1, break_glass = { by = \"bob\" } }\n",
    );
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    ci.deploy(&["record", "dev"]).ok();
    bob.deploy(&["approve", "prod"]).ok();
    ci.deploy(&["sync"]).ok();
    let one = CommitId(ci.repo.rev("HEAD").parse().unwrap());
    let (reason, digest) = ("it eats data".parse().unwrap(), Digest::sha256(b"bad"));
    let commit = Yank {
        commit: Some(one),
        digest: None,
        contents: Vec::new(),
        reason,
    };
    let built = Yank {
        commit: None,
        digest: Some(digest.clone()),
        ..commit.clone()
    };
    ci.append("evidence", Action::Yank(commit.clone()), None, |_| ());
    ci.push(&["refs/deploy/evidence"]).ok();
    let said = project.refused(&["yanked"], || {
        ci.deploy(&["record", "prod", "--no-verify"])
    });
    assert!(said.contains("was yanked by ci: it eats data"), "{said}");
    let glass = ["record", "prod", "--break-glass", "it burns", "--no-verify"];
    project.refused(&["yanked"], || bob.deploy(&glass));
    project.refused(&["yanked"], || {
        project.carol.deploy(&["approve", "prod", "--no-verify"])
    });
    // Who takes it back: an admin, or the person, but not the machine that did it.
    ci.deploy(&["sync"]).ok();
    let unyank = ci.build(
        "evidence",
        Action::Unyank(Unyank(commit.clone())),
        None,
        |_| (),
    );
    project.refused_entry(&["authorization"], ci, "evidence", &unyank);
    let twice = ci.build("evidence", Action::Yank(commit.clone()), None, |_| ());
    project.refused_entry(&["state"], ci, "evidence", &twice);
    alice.deploy(&["sync"]).ok();
    alice.append("evidence", Action::Unyank(Unyank(commit)), None, |_| ());
    alice.push(&["refs/deploy/evidence"]).ok();
    ci.deploy(&["record", "prod"]).ok();

    project.push("api/x", "two\n");
    ci.deploy(&["register", &format!("registry.example/demo@{digest}")])
        .ok();
    ci.append("evidence", Action::Yank(built), None, |_| ());
    ci.push(&["refs/deploy/evidence"]).ok();
    project.refused(&["yanked"], || ci.deploy(&["record", "dev", "--no-verify"]));
    project.push("api/x", "three\n");
    ci.deploy(&["record", "dev"]).ok();
    project.audited();
}

/// A permitted person may bypass rules with break-glass, but never a yank or a lock; a hotfix skips
/// the environments before it.
#[test]
fn break_glass_and_hotfixes() {
    let world = World::new();
    let project = Project::new(
        &world,
        r#"[environments]
dev = {}
[environments.prod]
promote_from = "dev"
soak = "1h"
approvals = 1
break_glass = { by = ["bob", "ci"] }
hotfix = { by = "bob", skip = ["promote_from", "soak"] }
"#,
    );
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    let glass = [
        "record",
        "prod",
        "--break-glass",
        "the shop is down",
        "--no-verify",
    ];
    carol.deploy(&["lock", "prod", "-m", "incident"]).ok();
    project.refused(&["authorization", "lock"], || ci.deploy(&glass));
    project.refused(&["lock"], || bob.deploy(&glass));
    carol.deploy(&["unlock", "prod"]).ok();
    project.refused(&["authorization"], || carol.deploy(&glass));
    bob.deploy(&glass).ok();
    let subject = project.server.git(&[
        "log",
        "-1",
        "--format=%(trailers:key=Deploy-Break-Glass)",
        "refs/deploy/prod",
    ]);
    assert_eq!(
        subject.ok().text().trim_end(),
        "Deploy-Break-Glass: the shop is down"
    );

    project.push("api/x", "two\n");
    let hotfix = ["record", "prod", "--hotfix", "--no-verify"];
    project.refused(&["approvals", "authorization"], || carol.deploy(&hotfix));
    project.refused(&["approvals"], || bob.deploy(&hotfix));
    // Its own starter does not count, nor does the author of what it brings.
    bob.deploy(&["approve", "prod"]).ok();
    project.refused(&["approvals"], || bob.deploy(&hotfix));
    project.alice.deploy(&["approve", "prod"]).fails(1);
    project.alice.deploy(&["approve", "prod", "--anyway"]).ok();
    project.refused(&["approvals"], || bob.deploy(&hotfix));
    carol.deploy(&["approve", "prod"]).ok();
    bob.deploy(&hotfix).ok();
    project.audited();
}

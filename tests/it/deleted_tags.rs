//! A tag that gave a version is deleted or moved later: the server has decided, so nothing is called a
//! forgery, and what a clone cannot check again is reported.

use crate::harness::{Member, Project, World};

const POLICY: &str = r#"[environments]
dev = { version = { from = "tag:v*", require_bump = true } }
prod = { promote_from = "dev" }
"#;

/// Returns the words of the answer to a promotion that was not written.
fn ask_promotion(member: &Member<'_>, code: i32) -> String {
    let run = member.deploy(&["check", "prod"]).fails(code);
    format!("{}\n{}", run.text(), run.err())
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Clones, audits and promotions go on without the tag; a clone that never saw it promotes only if
/// its user says that the server enforces the rules, or the tag is back.
#[test]
fn a_deleted_tag_stops_nothing() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, bob, carol, ci) = (&project.alice, &project.bob, &project.carol, &project.ci);
    project.push("api/x", "two\n");
    let tag = |name: &str, options: &[&str]| {
        let arguments = [&["tag", "-f"][..], options, &[name]].concat();
        alice.repo.git(&arguments).ok();
        alice.push(&["-f", &format!("refs/tags/{name}")]).ok();
    };
    tag("v1.0.0", &["-a", "-m", "Release"]);
    ci.repo.git(&["fetch", "-q", "--tags"]).ok();
    ci.deploy(&["record", "dev"]).ok();
    let object = ci.repo.rev("refs/tags/v1.0.0");
    let entry = ci
        .repo
        .git(&["show", "refs/deploy/dev:entry.json"])
        .ok()
        .text();
    assert!(
        entry.contains("\"name\": \"v1.0.0\"") && entry.contains(&object),
        "{entry}"
    );

    project.server.git(&["tag", "-d", "v1.0.0"]).ok();
    for member in [bob, carol] {
        member.deploy(&["sync"]).ok();
        let audit = member.deploy(&["audit"]).ok();
        let words = format!("{} {}", audit.text(), audit.err());
        assert!(
            words.contains("cannot re-check: tag v1.0.0 is gone"),
            "{words}"
        );
        let said = ask_promotion(member, 3);
        assert!(
            said.contains("cannot re-check dev@1: tag v1.0.0 is gone")
                && said.contains("git config deploy.serverEnforces true"),
            "{said}"
        );
    }
    // Only the user says so, not the remote.
    project
        .server
        .git(&["config", "deploy.serverEnforces", "true"])
        .ok();
    carol.deploy(&["sync"]).ok();
    ask_promotion(carol, 3);
    bob.repo
        .git(&["config", "deploy.serverEnforces", "true"])
        .ok();
    ask_promotion(bob, 0);
    // The tag is back, as it was; then it is elsewhere.
    carol
        .repo
        .git(&[
            "fetch",
            "-q",
            &alice.repo.url(),
            "refs/tags/v1.0.0:refs/tags/v1.0.0",
        ])
        .ok();
    ask_promotion(carol, 0);
    carol.deploy(&["audit"]).ok();
    carol.repo.git(&["tag", "-f", "v1.0.0", "HEAD~1"]).ok();
    let said = ask_promotion(carol, 3);
    assert!(said.contains("tag v1.0.0 has moved"), "{said}");
    // The clone that had the tag at its first fetch does not need it any more.
    ci.repo.git(&["tag", "-d", "v1.0.0"]).ok();
    ask_promotion(ci, 0);

    bob.deploy(&["record", "prod"]).ok();
    project.push("api/x", "three\n");
    tag("v1.1.0", &[]);
    ci.repo.git(&["fetch", "-q", "--tags"]).ok();
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "prod"]).ok();
    // A second tag on the same commit changes nothing about the past.
    tag("v2.0.0", &[]);
    project
        .server
        .git(&["update-ref", "-d", "refs/tags/v1.1.0"])
        .ok();
    let dave = project.server.world().clone(&project.server, "dave");
    dave.deploy(&["sync"]).ok();
    let audit = dave.deploy(&["audit"]).ok();
    let words = format!("{} {}", audit.text(), audit.err());
    assert!(words.contains("tag v1.1.0 is gone"), "{words}");
}

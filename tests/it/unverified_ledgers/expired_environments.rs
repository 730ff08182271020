//! Ephemeral environments in a ledger that is lost or not verified: nobody can tell whether one has
//! expired.

use crate::harness::member::a_lock;
use crate::harness::{Project, World};

const POLICY: &str = "[environments]\ndev = {}\n\
    [environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 9 }\n\
    [environments.\"tmp-*\"]\nephemeral = { ttl = \"8h\", limit = 9 }\n\
    [components.api]\npaths = [\"api/**\"]\napply = \"true\"\ndestroy = \"true\"\n";

/// The calls of `reap` that need the ledger of `pr-*`.
const REAPS: [&[&str]; 5] = [
    &["reap", "--yes"],
    &["reap", "--dry-run"],
    &["reap", "--warn", "1h"],
    &["reap", "pr-*", "--yes"],
    &["reap", "pr-1", "--dry-run"],
];

/// `reap` does not say that nothing has expired if it cannot know that: it exits with 3. With an
/// honest ledger, and for other environments, it says so.
#[test]
fn reap_cannot_tell_without_a_verified_ledger() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (ci, server) = (&project.ci, &project.server);
    ci.deploy(&["record", "pr-1", "--all", "--external"]).ok();
    let carol = &project.carol;
    carol.deploy(&["sync"]).ok();
    let forged = carol.build("pr", a_lock(), None, |statement| {
        statement.by = "ci".parse().unwrap();
    });
    let forged = forged.to_string();
    for repo in [server, &ci.repo] {
        repo.git(&["fetch", "-q", &carol.repo.url(), &forged]).ok();
    }
    let name = "refs/deploy/pr";
    let honest = server.rev(name);
    let all_say = |code: i32, context: &str| {
        for arguments in REAPS {
            let run = ci.deploy(arguments);
            let says_none = run.text().contains("No environment");
            assert_eq!(says_none, code == 0, "{context}: {run}");
            run.fails(code);
        }
        ci.deploy(&["reap", "tmp-*", "--yes"]).ok();
    };
    for has_remote in [true, false] {
        if !has_remote {
            ci.repo.git(&["config", "deploy.remote", ""]).ok();
        }
        let wrong = if has_remote { server } else { &ci.repo };
        for tip in ["forged", "deleted"] {
            let context = format!("{tip}, remote: {has_remote}");
            all_say(0, &context);
            if tip == "deleted" {
                wrong.git(&["update-ref", "-d", name]).ok();
            } else {
                wrong.git(&["update-ref", name, &forged]).ok();
            }
            all_say(3, &context);
            wrong.git(&["update-ref", name, &honest]).ok();
        }
    }
    all_say(0, "at last");
    // What is known to have expired is destroyed all the same.
    ci.repo.git(&["config", "--unset", "deploy.remote"]).ok();
    ci.deploy(&["record", "tmp-1", "--all", "--external"]).ok();
    world.advance("9h");
    server.git(&["update-ref", "-d", name]).ok();
    let run = ci.deploy(&["reap", "--yes"]).fails(3);
    assert!(run.text().contains("tmp-1"), "{run}");
    let tmp = ["ls-tree", "--name-only", "refs/deploy/tmp:environments"];
    assert!(!server.git(&tmp).text().contains("tmp-1"));
}

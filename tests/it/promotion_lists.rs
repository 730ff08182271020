//! A `promote_from` with several environments: all of them must have run it, and `promote` takes
//! what they agree on.

use crate::harness::{Project, World};

const POLICY: &str = r#"[environments]
dev = {}
e2e = { promote_from = "dev" }
perf = { promote_from = "dev" }

[environments.prod]
promote_from = ["e2e", "perf"]
match = "content"

[components.api]
paths = ["api/**"]
apply = "true"

[components.web]
paths = ["web/**"]
apply = "true"
"#;

/// Two parallel environments join in prod; each one that lacks the commit is named.
#[test]
fn parallel_environments_join() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let commit = project.push("web/x", "one\n");
    ci.deploy(&["record", "dev", "--external"]).ok();
    let said = project.refused(&["previous environment"], || {
        ci.deploy(&["record", "prod", "--external", "--no-verify"])
    });
    assert!(
        said.contains(&format!("e2e never ran {}", &commit[..12]))
            && said.contains(&format!("perf never ran {}", &commit[..12])),
        "{said}"
    );
    ci.deploy(&["record", "e2e", "--external"]).ok();
    let said = project.refused(&["previous environment"], || {
        ci.deploy(&["record", "prod", "--external", "--no-verify"])
    });
    assert!(
        !said.contains("e2e never ran") && said.contains("perf never ran"),
        "{said}"
    );
    let shown = ci.deploy(&["show", &commit]).ok().text();
    assert!(shown.contains("perf comes first"), "{shown}");
    let status = ci.deploy(&["status"]).ok().text();
    assert!(status.find("perf") < status.find("prod"), "{status}");
    let said = ci
        .deploy(&["promote", "prod", "--yes"])
        .fails(2)
        .words_of_err();
    assert!(said.contains("nothing runs in perf yet"), "{said}");

    ci.deploy(&["record", "perf", "--external", "--component", "api"])
        .ok();
    let said = ci
        .deploy(&["promote", "prod", "--yes"])
        .fails(2)
        .words_of_err();
    assert!(
        said.contains("web does not run in perf")
            && said.contains("git deploy promote prod --component api"),
        "{said}"
    );
    ci.deploy(&["promote", "prod", "--component", "api", "--yes"])
        .ok();
    ci.deploy(&["record", "perf", "--external"]).ok();

    // The same content under another commit is the same; other content is not.
    let repo = &project.alice.repo;
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Nothing"])
        .ok();
    let again = repo.rev("HEAD");
    project.alice.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
    ci.deploy(&["record", "dev", "--external", "--all"]).ok();
    ci.deploy(&["record", "perf", "--external", "--all"]).ok();
    ci.deploy(&["promote", "prod", "--yes"]).ok();
    let newer = project.push("web/x", "two\n");
    ci.deploy(&["record", "dev", "--external"]).ok();
    ci.deploy(&["record", "e2e", "--external"]).ok();
    let said = ci
        .deploy(&["promote", "prod", "--yes"])
        .fails(2)
        .words_of_err();
    let runs = format!(
        "web is not the same: e2e runs {}, perf runs {}",
        &newer[..12],
        &again[..12]
    );
    assert!(said.contains(&runs), "{said}");
    ci.deploy(&["record", "perf", "--external"]).ok();
    ci.deploy(&["promote", "prod", "--yes"]).ok();
    ci.deploy(&["audit"]).ok();
}

//! Group 16: a component that is renamed, to leave behind what counts against it under its former
//! name.

use git_deploy::testing::domain::entry::{Action, Outcome, Statement};
use git_deploy::testing::domain::name::ComponentName;

use crate::harness::{AttackRunner, Project, World};

const BEFORE: &str = "[environments]\ndev = {}\nprod = { approvals = 1, branch = \"main\", deploy_on = \"approval\" }\n[components]\nweb = { paths = \"web/**\" }\napi = { paths = \"api/**\" }\n";
const AFTER: &str = "[environments]\ndev = {}\nprod = { approvals = 1, branch = \"main\", deploy_on = \"approval\" }\n[components]\nweb = { paths = \"web/**\" }\nservice = { paths = \"api/**\", renamed_from = \"api\" }\n";

/// Makes a commit on top of another one, on a branch of its own, and brings it to all clones.
fn push_aside(project: &Project<'_>, base: &str, text: &str) -> String {
    let repo = &project.alice.repo;
    repo.git(&["checkout", "-q", "--detach", base]).ok();
    let commit = project.commit("api/x", text);
    let branch = format!("HEAD:refs/heads/aside-{}", &commit[..7]);
    project.alice.push(&[&branch]).ok();
    for member in [&project.bob, &project.carol, &project.ci] {
        member.repo.git(&["fetch", "-q"]).ok();
    }
    commit
}

/// A hold, a yank and the removal of the former name still count after a rename, and only the
/// policy renames components.
#[test]
fn renamed_components_keep_what_counts_against_them() {
    let world = World::new();
    let project = Project::new(&world, BEFORE);
    let (alice, carol, ci) = (&project.alice, &project.carol, &project.ci);
    let first = project.alice.repo.rev("HEAD");
    let record = |commit: &str, more: &[&str]| {
        ci.deploy(&["sync"]).ok();
        carol.deploy(&["sync"]).ok();
        carol.deploy(&["approve", "prod", commit]).ok();
        ci.deploy(&[&["record", "prod", commit], more].concat())
    };
    record(&first, &[]).ok();
    let held = push_aside(&project, &first, "held\n");
    record(&held, &["--outcome", "rolled-back"]).ok();
    let yanked = push_aside(&project, &first, "yanked\n");
    alice.deploy(&["sync"]).ok();
    alice.deploy(&["yank", &yanked, "-m", "eats data"]).ok();
    let second = push_aside(&project, &first, "two\n");
    record(&second, &[]).ok();
    let base = super::forged_entries::a_deployment(ci, "prod");

    project.publish(AFTER);
    let next = push_aside(&project, &second, "three\n");
    let held_again = push_aside(&project, &second, "held\n");
    let yanked_again = push_aside(&project, &second, "yanked\n");
    carol.deploy(&["sync"]).ok();
    ci.deploy(&["sync"]).ok();
    for commit in [&next, &held_again, &first] {
        carol.deploy(&["approve", "prod", commit]).ok();
    }
    ci.deploy(&["sync"]).ok();
    let attacks = AttackRunner::of(&project);
    let rules = |said: &str, rule: &str| assert!(said.contains(&format!("✗ {rule}")), "{said}");
    let said = attacks.fails_locally("held content", || {
        ci.deploy(&["record", "prod", &held_again])
    });
    rules(&said, "hold");
    let said = attacks.fails_locally("yanked content", || {
        ci.deploy(&["record", "prod", &yanked_again])
    });
    rules(&said, "yanked");
    let said = attacks.fails_locally("an older commit", || ci.deploy(&["record", "prod", &first]));
    rules(&said, "fast-forward");

    // The honest entry replaces api by service. Forged ones leave a part of that out.
    let honest = ci
        .deploy(&["record", "prod", &next, "--dry-run", "--json"])
        .ok()
        .json();
    assert_eq!(honest["action"], "record");
    let api: ComponentName = "api".parse().unwrap();
    let forge = |bend: &dyn Fn(&mut Vec<git_deploy::testing::domain::entry::ComponentChange>)| {
        ci.build("prod", base.clone(), None, |statement: &mut Statement| {
            let Action::Record(record) = &mut statement.action else {
                panic!("not a record")
            };
            let mut changes = record.deployment.components.clone();
            changes.retain(|it| it.target.component == api);
            bend(&mut changes);
            changes.sort_by(|one, other| one.target.component.cmp(&other.target.component));
            let result = record.results[0].clone();
            record.results = changes
                .iter()
                .map(|it| {
                    let mut result = result.clone();
                    result.component = it.target.component.clone();
                    if it.is_removal() {
                        result.outcome = Outcome::Destroyed;
                    }
                    result
                })
                .collect();
            record.deployment.components = changes;
        })
    };
    let alone = forge(&|changes| {
        let change = &mut changes[0];
        change.target.component = "service".parse().unwrap();
        change.from = None;
    });
    attacks.refused_entry(
        "service beside api",
        &["approvals", "content"],
        ci,
        "prod",
        &alone,
    );
    let removal = forge(&|changes| {
        let mut service = changes[0].clone();
        service.target.component = "web".parse().unwrap();
        changes[0].target.content = None;
        changes[0].renamed_to = Some("web".parse().unwrap());
        changes.push(service);
    });
    attacks.refused_entry(
        "a removal as a rename",
        &["approvals", "content"],
        ci,
        "prod",
        &removal,
    );
    // The rename itself works.
    ci.deploy(&["record", "prod", &next]).ok();
    attacks.finish();
}

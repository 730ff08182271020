//! Group 8: code that was not approved, disguised as approved code.

use git_deploy::testing::domain::entry::{
    Action, ComponentChange, Outcome, Record, Statement, VerificationResult,
};
use git_deploy::testing::domain::id::{CommitId, Content};

use crate::harness::{AttackRunner, Project, World};

const POLICY: &str = r#"[environments]
dev = {}
qa = { branch = "main", deploy_on = "approval" }
prod = { promote_from = "dev", approvals = 1 }
[components]
api = { paths = ["api/**", "lib/**"] }
web = { paths = "web" }
"#;

/// An edit of one component's change in an entry.
type Bend<'a> = &'a dyn Fn(&mut ComponentChange);

fn record(statement: &mut Statement) -> &mut Record {
    let Action::Record(record) = &mut statement.action else {
        panic!("not a record")
    };
    record
}

/// Makes a commit by alice on top of main, of these files, that is on no branch.
fn commit(
    project: &Project<'_>,
    parents: &[&str],
    files: &[(&str, &str)],
    gone: &[&str],
) -> String {
    let alice = &project.alice;
    alice.repo.git(&["read-tree", "origin/main"]).ok();
    for (path, content) in files {
        let blob = alice.object("blob", content.as_bytes());
        alice
            .repo
            .git(&[
                "update-index",
                "--add",
                "--cacheinfo",
                &format!("100644,{blob},{path}"),
            ])
            .ok();
    }
    for path in gone {
        alice.repo.git(&["rm", "-q", "-r", "--cached", path]).ok();
    }
    let tree = alice.repo.git(&["write-tree"]).ok().text();
    let parents: Vec<&str> = parents.iter().flat_map(|parent| ["-p", parent]).collect();
    alice
        .repo
        .git(&[&["commit-tree", "-m", "x", &tree][..], &parents].concat())
        .ok()
        .text()
}

/// Returns a project whose main runs everywhere; alice's clone knows it as origin/main.
fn running(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    let (alice, ci) = (&project.alice, &project.ci);
    for (file, content) in [
        ("web/x", "one\n"),
        ("lib/x", "one\n"),
        ("README", "one\n"),
        ("deploy.sh", "one\n"),
    ] {
        alice.repo.commit(file, content, "Begin");
    }
    ci.repo
        .git(&["fetch", "-q", &alice.repo.url(), "HEAD"])
        .ok();
    ci.repo.git(&["reset", "-q", "--hard", "FETCH_HEAD"]).ok();
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    ci.deploy(&["record", "qa"]).ok();
    alice.push(&["HEAD:refs/heads/main"]).ok();
    alice.repo.git(&["fetch", "-q"]).ok();
    project.fetch();
    ci.deploy(&["record", "dev"]).ok();
    project.carol.deploy(&["approve", "prod"]).ok();
    ci.deploy(&["record", "prod"]).ok();
    ci.deploy(&["sync"]).ok();
    project
}

/// A bound branch moves only to content that runs, whatever is changed, wherever, whoever owns it.
#[test]
fn branches_move_only_to_running_content() {
    let world = World::new();
    let project = running(&world);
    let alice = &project.alice;
    let main = alice.repo.rev("origin/main");
    let side = commit(&project, &[&main], &[("web/x", "two\n")], &[]);
    let attacks = AttackRunner::of(&project);
    let link = alice.object("blob", b"../../etc");
    let swapped = |mode: &str, id: &str, path: &str| {
        alice.repo.git(&["read-tree", &main]).ok();
        alice.repo.git(&["rm", "-q", "-r", "--cached", path]).ok();
        alice
            .repo
            .git(&[
                "update-index",
                "--add",
                "--cacheinfo",
                &format!("{mode},{id},{path}"),
            ])
            .ok();
        let tree = alice.repo.git(&["write-tree"]).ok().text();
        alice
            .repo
            .git(&["commit-tree", "-m", "x", "-p", &main, &tree])
            .ok()
            .text()
    };
    let one = alice.repo.rev(&format!("{main}:web/x"));
    let moves = [
        (
            "a descendant with another tree",
            commit(&project, &[&main], &[("api/x", "two\n")], &[]),
        ),
        (
            "a merge with another tree",
            commit(&project, &[&main, &side], &[("api/x", "two\n")], &[]),
        ),
        ("a merge that takes all of the other side", side.clone()),
        (
            "a file more",
            commit(&project, &[&main], &[("api/y", "")], &[]),
        ),
        (
            "only what no component owns",
            commit(&project, &[&main], &[("README", "two\n")], &[]),
        ),
        (
            "a script beside the components",
            commit(&project, &[&main], &[("deploy.sh", "two\n")], &[]),
        ),
        (
            "attributes of all",
            commit(
                &project,
                &[&main],
                &[(".gitattributes", "* filter=x\n")],
                &[],
            ),
        ),
        (
            "submodules of all",
            commit(
                &project,
                &[&main],
                &[(".gitmodules", "[submodule \"x\"]\n")],
                &[],
            ),
        ),
        (
            "a component gone",
            commit(&project, &[&main], &[], &["web"]),
        ),
        (
            "half a component gone",
            commit(&project, &[&main], &[], &["lib"]),
        ),
        (
            "all gone",
            alice
                .repo
                .git(&[
                    "commit-tree",
                    "-m",
                    "x",
                    "-p",
                    &main,
                    &alice.object("tree", b""),
                ])
                .ok()
                .text(),
        ),
        (
            "a component of another case",
            commit(&project, &[&main], &[("WEB/x", "one\n")], &["web"]),
        ),
        ("a folder as symbolic link", swapped("120000", &link, "web")),
        ("a folder as submodule", swapped("160000", &main, "web")),
        (
            "a file as symbolic link of the same bytes",
            swapped("120000", &one, "web/x"),
        ),
        ("a file that may be run", swapped("100755", &one, "web/x")),
    ];
    for (attack, id) in &moves {
        attacks.refused(attack, &["branch"], || {
            alice.push(&[&format!("{id}:refs/heads/main")])
        });
    }
    for (attack, parents) in [
        ("an orphan of an equal tree", vec![]),
        ("a brother of an equal tree", vec!["main~1"]),
    ] {
        let id = commit(&project, &parents, &[], &[]);
        attacks.refused(attack, &["branch"], || {
            alice.push(&[&format!("+{id}:refs/heads/main")])
        });
    }
    // A descendant of the very content is what runs.
    let same = commit(&project, &[&main], &[], &[]);
    alice.push(&[&format!("{same}:refs/heads/main")]).ok();
    attacks.finish();
}

/// Everything that an entry claims about the code is recomputed: contents, changes, and whether it
/// exists.
#[test]
fn content_in_entries_is_recomputed() {
    let world = World::new();
    let project = running(&world);
    let (alice, ci) = (&project.alice, &project.ci);
    let main = alice.repo.rev("origin/main");
    let bad = commit(
        &project,
        &[&main],
        &[("api/x", "two\n"), ("deploy.sh", "evil\n")],
        &["web"],
    );
    alice.push(&[&format!("{bad}:refs/heads/bad")]).ok();
    ci.repo.git(&["fetch", "-q"]).ok();
    let attacks = AttackRunner::of(&project);
    let honest = super::forged_entries::a_deployment(ci, "dev");
    let to = |component: &str, bend: Bend<'_>| {
        let id = ci.build("dev", honest.clone(), None, |it| {
            let record = record(it);
            let at = record
                .deployment
                .components
                .iter()
                .position(|it| it.target.component.as_str() == component);
            let (mut change, mut result) = (
                record.deployment.components[at.unwrap()].clone(),
                record.results[at.unwrap()].clone(),
            );
            bend(&mut change);
            result.component = change.target.component.clone();
            if change.is_removal() {
                result.outcome = Outcome::Destroyed;
                result.verification = VerificationResult::None;
            }
            (record.deployment.components, record.results) = (vec![change], vec![result]);
        });
        format!("+{id}:refs/deploy/dev")
    };
    let commit = CommitId(bad.parse().unwrap());
    let tree = Content(ci.repo.rev(&format!("{bad}^{{tree}}")).parse().unwrap());
    let lies: [(&str, &str, Bend<'_>); 8] = [
        ("another commit under the old content", "api", &|it| {
            it.target.commit = commit;
        }),
        ("the whole tree as its content", "api", &|it| {
            (it.target.commit, it.target.content) = (commit, Some(tree));
        }),
        ("a component that is absent", "web", &|it| {
            it.target.commit = commit;
        }),
        (
            "what no component owns, under the old content",
            "rest",
            &|it| it.target.commit = commit,
        ),
        ("a component that the policy does not know", "api", &|it| {
            it.target.component = "db".parse().unwrap();
        }),
        ("from something that never ran", "api", &|it| {
            it.from = Some(commit);
        }),
        ("from nothing", "api", &|it| it.from = None),
        ("destroyed, and it is there", "api", &|it| {
            it.target.content = None;
        }),
    ];
    for (attack, component, bend) in lies {
        attacks.refused(attack, &["content"], || ci.push(&[&to(component, bend)]));
    }
    attacks.finish();
}

/// An approval covers neither descendants nor merges of its commit, nor another commit with the
/// same tree.
#[test]
fn approvals_cover_only_their_commit() {
    let world = World::new();
    let project = running(&world);
    let (alice, ci, carol) = (&project.alice, &project.ci, &project.carol);
    let two = project.commit("api/x", "two\n");
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    for member in [ci, carol] {
        member.repo.git(&["fetch", "-q"]).ok();
    }
    ci.deploy(&["record", "dev", &two, "--verification", "passed"])
        .ok();
    carol.deploy(&["approve", "prod", &two]).ok();
    let attacks = AttackRunner::of(&project);
    let tree = format!("{two}^{{tree}}");
    let twin = |parents: &[&str]| {
        let parents: Vec<&str> = parents.iter().flat_map(|it| ["-p", it]).collect();
        alice
            .repo
            .git(&[&["commit-tree", "-m", "twin", &tree][..], &parents].concat())
            .ok()
            .text()
    };
    let other = commit(&project, &[&two], &[("api/x", "evil\n")], &[]);
    let tries = [
        ("a descendant with another tree", other.clone()),
        (
            "a merge with another tree",
            commit(&project, &[&two, &other], &[("api/x", "evil too\n")], &[]),
        ),
        ("a descendant of an equal tree", twin(&[&two])),
        ("a twin", twin(&["origin/main"])),
        ("an orphan", twin(&[])),
    ];
    for (attack, id) in &tries {
        alice.push(&[&format!("+{id}:refs/heads/topic")]).ok();
        ci.repo.git(&["fetch", "-q"]).ok();
        attacks.refused(attack, &["approvals", "previous environment"], || {
            ci.deploy(&["record", "prod", id, "--no-verify"])
        });
    }
    ci.deploy(&["record", "prod", &two]).ok();
    attacks.finish();
}

/// A policy whose paths match nothing, or everything, leaves no code without an owner.
#[test]
fn every_path_belongs_to_somebody() {
    let world = World::new();
    let project = running(&world);
    let (alice, ci) = (&project.alice, &project.ci);
    // The api's new paths match nothing: all that it had is the rest's now, and changed with it.
    project.publish(&POLICY.replace("\"api/**\", \"lib/**\"", "\"nowhere/**\""));
    ci.deploy(&["sync"]).ok();
    let attacks = AttackRunner::of(&project);
    let two = project.commit("api/x", "two\n");
    attacks.refused("a branch", &["branch"], || {
        alice.push(&[&format!("{two}:refs/heads/main")])
    });
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    ci.repo.git(&["fetch", "-q"]).ok();
    attacks.refused(
        "a deployment",
        &["approvals", "previous environment"],
        || ci.deploy(&["record", "prod", &two, "--no-verify"]),
    );
    // As a component it is absent: nobody deploys it.
    let forged = ci.build(
        "dev",
        super::forged_entries::a_deployment(ci, "dev"),
        None,
        |it| {
            let record = record(it);
            let at = record
                .deployment
                .components
                .iter()
                .position(|it| it.target.component.as_str() == "api")
                .unwrap();
            record.deployment.components = vec![record.deployment.components[at].clone()];
            record.results = vec![record.results[at].clone()];
        },
    );
    attacks.refused_entry("what matches nothing", &["content"], ci, "dev", &forged);
    attacks.finish();
}

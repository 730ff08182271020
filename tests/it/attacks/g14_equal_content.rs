//! Group 14: commits whose components have the running content, and something else beside or around
//! it: other scripts, or folders that a malformed tree hides.

use crate::harness::{AttackRunner, Project, World};

/// Each command notes the scripts that it finds beside its component.
const SEES: &str =
    "cat ../tools/ship.sh ../../tools/ship.sh tools/ship.sh >> $HOME/seen 2> /dev/null; true";

/// A commit that has the running content of every component can be reached by no command, and none
/// of its files is seen by one: nothing deploys it, rolls back to it or verifies it.
#[test]
fn commits_with_the_running_content_stay_out() {
    for prod in ["approvals = 1", "promote_from = \"dev\"\napprovals = 1"] {
        let world = World::new();
        let project = Project::new(&world, "[environments]\ndev = {}\n");
        project.alice.repo.write(
            "deploy.toml",
            &project
                .policy(&format!(
                    "[environments]\ndev = {{}}\n[environments.prod]\n{prod}\n[components.api]\npaths = [\"api/**\"]\napply = '{SEES}'\nverify = '{SEES}'\n"
                ))
                .replacen("schema = 1", "schema = 1\nunowned = \"free\"", 1),
        );
        project.alice.deploy(&["policy", "publish", "--yes"]).ok();
        let honest = project.push("tools/ship.sh", "echo honest\n");
        let ci = &project.ci;
        ci.deploy(&["run", "dev", "--yes"]).ok();
        project.carol.deploy(&["approve", "prod", &honest]).ok();
        ci.deploy(&["run", "prod", &honest, "--yes"]).ok();
        // The same component, and a script that no rule has seen.
        ci.repo.commit("tools/ship.sh", "echo unseen\n", "Ship");
        let unseen = ci.repo.rev("HEAD");
        ci.push(&["HEAD:refs/heads/topic"]).ok();
        for attempt in [
            &["run", "prod", &unseen, "--yes"][..],
            &["run", "prod", &unseen, "--yes", "--component", "api"],
            &["record", "prod", &unseen, "--external"],
            &["record", "prod", &unseen, "--rollback", "--external"],
            &["rollback", "prod", "--to", &unseen, "--yes"],
            &[
                "rollback",
                "prod",
                "--to",
                &unseen,
                "--yes",
                "--component",
                "api",
            ],
            &["rollback", "prod", "--yes"],
        ] {
            ci.deploy(attempt);
            // A ledger commit has the commits that it deploys as parents.
            let deployed = project.server.git(&["rev-list", "refs/deploy/prod"]).ok();
            assert!(!deployed.text().contains(&unseen), "{attempt:?}");
        }
        ci.deploy(&["verify", "prod"]).ok();
        let seen = std::fs::read_to_string(world.path().join("home/seen"));
        assert_eq!(
            seen.unwrap_or_default(),
            "",
            "a command saw a foreign script"
        );
        // The approved way still works, from this commit on.
        let next = project.push("api/x", "two\n");
        ci.deploy(&["run", "dev", &next, "--yes"]).ok();
        project.carol.deploy(&["approve", "prod", &next]).ok();
        ci.deploy(&["run", "prod", &next, "--yes"]).ok();
        project.audited();
    }
}

/// An item of a tree object: mode, name, id.
type Item = (&'static str, &'static str, Vec<u8>);

/// Returns the bytes of a tree object of these items, in this order.
fn tree(items: &[Item]) -> Vec<u8> {
    let bytes = items.iter().map(|(mode, name, id)| {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_slice()].concat()
    });
    bytes.collect::<Vec<_>>().concat()
}

/// Returns the bytes of an id.
fn id_bytes(id: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap();
    (0..id.len()).step_by(2).map(digits).collect()
}

/// A tree that stores a folder or a file in a way that hides it from the patterns of a component
/// cannot reach an environment's branch, and neither can the same files in an honest tree.
#[test]
fn malformed_trees_hide_nothing() {
    let world = World::new();
    let project = Project::new(
        &world,
        "[environments]\ndev = {}\nprod = { branch = \"main\", deploy_on = \"approval\", approvals = 1 }\n[components]\napi = { paths = [\"api/**\", \"lib/**\", \"**/*.tf\"] }\n",
    );
    let alice = &project.alice;
    let deploy_toml = alice.repo.path().join("deploy.toml");
    let text = std::fs::read_to_string(&deploy_toml).unwrap();
    let text = text.replacen("schema = 1", "schema = 1\nunowned = \"free\"", 1);
    alice.repo.write("deploy.toml", &text);
    alice.deploy(&["policy", "publish", "--yes"]).ok();
    project.carol.deploy(&["approve", "prod"]).ok();
    project.ci.deploy(&["record", "prod"]).ok();
    let main = alice.repo.rev("origin/main");
    let api = id_bytes(&alice.repo.rev(&format!("{main}:api")));
    let blob = id_bytes(&alice.object("blob", b"evil\n"));
    let link = id_bytes(&alice.object("blob", b"../evil"));
    let evil = id_bytes(&alice.object("tree", &tree(&[("100644", "x.tf", blob.clone())])));
    let real = || ("40000", "api", api.clone());
    let policy: Vec<Item> = alice
        .repo
        .git(&[
            "rev-parse",
            "--verify",
            "-q",
            &format!("{main}:deploy.toml"),
        ])
        .text()
        .lines()
        .map(|id| ("100644", "deploy.toml", id_bytes(id)))
        .collect();
    let with = |more: &[Item]| [&[real()][..], &policy, more].concat();
    let folder = |mode| (mode, with(&[(mode, "zz", evil.clone())]));
    let mut trees = vec![
        folder("40000"),
        folder("40755"),
        folder("40001"),
        folder("040755"),
        folder("47777"),
        folder("240000"),
        folder("1040000"),
        folder("0000000040000"),
        ("mode 0", with(&[("0", "zz.tf", blob.clone())])),
        (
            "mode without a type",
            with(&[("644", "zz.tf", blob.clone())]),
        ),
        (
            "a name with a slash",
            with(&[("100644", "zz/x.tf", blob.clone())]),
        ),
        ("an empty name", with(&[("100644", "", blob.clone())])),
        (
            "a link to a folder",
            with(&[("120000", "lib", link.clone())]),
        ),
        (
            "twice, the other first",
            [&[("40000", "api", evil.clone())][..], &with(&[])].concat(),
        ),
        (
            "twice, the other last",
            [&[real(), ("40000", "api", evil.clone())][..], &policy].concat(),
        ),
        (
            "a file of the same name",
            [&[("100644", "api", blob.clone())][..], &with(&[])].concat(),
        ),
    ];
    let mut unsorted = with(&[("100644", "zz", blob.clone())]);
    unsorted.reverse();
    trees.push(("another order", unsorted));
    let attacks = AttackRunner::of(&project);
    for (attack, items) in trees {
        let root = alice.object("tree", &tree(&items));
        let made = alice
            .repo
            .git(&["commit-tree", "-m", "x", "-p", &main, &root]);
        let commit = if made.succeeded() {
            made.text()
        } else {
            alice.with_tree(&main, &root)
        };
        attacks.fails(attack, || {
            alice.push(&[&format!("{commit}:refs/heads/main")])
        });
    }
    attacks.finish();
}

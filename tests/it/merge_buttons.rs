//! A change goes from its branch through dev and qa to prod and into main, by each of the three
//! buttons of a forge (merge, squash, rebase), without a detour.

use crate::harness::{Project, World};

/// How a forge brings a branch into main.
#[derive(Debug, Clone, Copy)]
enum Button {
    Merge,
    Squash,
    Rebase,
}

const BUTTONS: [Button; 3] = [Button::Merge, Button::Squash, Button::Rebase];

fn policy(deploy_on: &str, of_web: &str, of_prod: &str) -> String {
    format!(
        "[environments]\ndev = {{}}\n[environments.qa]\npromote_from = \"dev\"\nmatch = \"content\"\n\
         [environments.prod]\npromote_from = \"qa\"\nbranch = \"main\"\ndeploy_on = \"{deploy_on}\"\n{of_prod}\n\
         [components.api]\npaths = [\"api/**\"]\napply = \"true\"\n[components.web]\npaths = [\"web/**\"]\n{of_web}"
    )
}

/// A change on a branch of its own, and what the button makes of it.
struct Change<'p, 'w> {
    project: &'p Project<'w>,
    /// The commit of the branch.
    tip: String,
    /// The commit that main is to move to.
    merged: String,
}

impl<'p, 'w> Change<'p, 'w> {
    /// Commits two changes on a branch from main, as alice, and pushes both commits.
    fn new(project: &'p Project<'w>, button: Button, files: &[(&str, &str)]) -> Self {
        let repo = &project.alice.repo;
        repo.git(&["fetch", "-q"]).ok();
        repo.git(&["checkout", "-q", "--detach", "origin/main"])
            .ok();
        let base = repo.rev("HEAD");
        for (file, text) in files {
            project.commit(file, text);
        }
        let tip = repo.rev("HEAD");
        project.world.advance("1m");
        let tree = format!("{tip}^{{tree}}");
        let commit = |parents: &[&str]| {
            let parents: Vec<&str> = parents.iter().flat_map(|it| ["-p", it]).collect();
            let arguments = [&["commit-tree", "-m", "Bring it in", &tree][..], &parents].concat();
            repo.git(&arguments).ok().text()
        };
        let merged = match button {
            Button::Merge => commit(&[&base, &tip]),
            Button::Squash => commit(&[&base]),
            Button::Rebase => {
                // GitHub writes every commit again, even if main has not moved.
                repo.git(&["rebase", "-q", "--force-rebase", &base]).ok();
                repo.rev("HEAD")
            }
        };
        assert_ne!(merged, tip, "{button:?}");
        for (commit, branch) in [(&tip, "topic"), (&merged, "merged")] {
            let pair = format!("+{commit}:refs/heads/{branch}");
            project.alice.push(&[&pair]).ok();
        }
        project.ci.repo.git(&["fetch", "-q"]).ok();
        Self {
            project,
            tip,
            merged,
        }
    }

    fn record(&self, environment: &str, commit: &str) {
        let ci = &self.project.ci;
        ci.deploy(&["record", environment, commit, "--external"])
            .ok();
    }

    fn move_main(&self) {
        let pair = format!("{}:refs/heads/main", self.merged);
        self.project.alice.push(&[&pair]).ok();
        self.project.ci.repo.git(&["fetch", "-q"]).ok();
    }
}

/// Returns a project whose main runs everywhere.
fn begin<'w>(world: &'w World, policy: &str) -> Project<'w> {
    let project = Project::new(world, policy);
    project.alice.repo.git(&["fetch", "-q"]).ok();
    for environment in ["dev", "qa", "prod"] {
        project
            .ci
            .deploy(&["record", environment, "--external"])
            .ok();
    }
    project
}

/// Three changes in a row reach prod, by each button and whether main or prod comes first.
#[test]
fn changes_reach_production_without_a_detour() {
    for button in BUTTONS {
        for deploy_on in ["merge", "approval"] {
            let world = World::new();
            let project = begin(&world, &policy(deploy_on, "", "match = \"content\""));
            for round in ["two\n", "three\n", "four\n"] {
                let files = [("api/x", round), ("web/x", round)];
                let change = Change::new(&project, button, &files);
                change.record("dev", &change.tip);
                change.record("qa", &change.tip);
                if deploy_on == "merge" {
                    change.move_main();
                    change.record("prod", &change.merged);
                } else {
                    change.record("prod", &change.tip);
                    change.move_main();
                }
            }
            project.audited();
        }
    }
}

/// A component that another system deploys follows its commit, unless the policy says otherwise: the
/// refusal names it and the key. Components with `apply` follow their content.
#[test]
fn other_systems_deploy_commits() {
    let world = World::new();
    let project = begin(&world, &policy("merge", "", ""));
    let change = Change::new(&project, Button::Squash, &[("api/x", "two\n")]);
    change.record("dev", &change.tip);
    change.record("qa", &change.tip);
    change.move_main();
    change.record("prod", &change.merged);

    let change = Change::new(&project, Button::Squash, &[("web/x", "two\n")]);
    change.record("dev", &change.tip);
    change.record("qa", &change.tip);
    let pair = format!("{}:refs/heads/main", change.merged);
    let refused = project.alice.push(&[&pair]).fails(1);
    let words = refused.words_of_err();
    assert!(
        words.contains("the same content of web at")
            && words.contains("only with match = \"content\""),
        "{refused}"
    );
}

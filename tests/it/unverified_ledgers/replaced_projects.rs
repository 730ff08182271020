//! A host without hooks, on which anybody who may push replaces the whole project by one of the same
//! name. A clone that knows the project's id uses nothing of it.

use super::POLICY;
use crate::harness::{Member, Project, Repo, World};

/// Replaces ledgers of the server, past its hooks, by those of another project.
struct Replacement {
    name: &'static str,
    /// The ledgers that are replaced.
    replaced: &'static [&'static str],
    /// The ledgers that are deleted.
    deleted: &'static [&'static str],
}

const REPLACEMENTS: [Replacement; 3] = [
    Replacement {
        name: "all",
        replaced: &["policy", "dev"],
        deleted: &[],
    },
    Replacement {
        name: "policy",
        replaced: &["policy"],
        deleted: &[],
    },
    Replacement {
        name: "nothing-left",
        replaced: &[],
        deleted: &["policy", "dev"],
    },
];

/// How a job tells git-deploy the id of the project.
const PINS: [&str; 2] = ["setting", "variable"];

/// Clones the server as a job does, and pins the project in this way.
fn clone<'w>(project: &Project<'w>, folder: &str) -> Repo<'w> {
    let repo = project.world.existing(folder, "ci");
    std::fs::create_dir(repo.path()).unwrap();
    let url = project.server.url();
    repo.git(&["clone", "-q", &url, "."]).ok();
    repo
}

/// Runs our program with this pin.
fn run_pinned<'w>(
    repo: &Repo<'w>,
    pin: &str,
    root: &str,
    arguments: &[&str],
) -> crate::harness::Run<'w> {
    if pin == "setting" {
        repo.git(&["config", "deploy.root", root]).ok();
        return repo.deploy(arguments);
    }
    let mut command = repo.command("git-deploy");
    command
        .args(arguments)
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "deploy.root")
        .env("GIT_CONFIG_VALUE_0", root);
    crate::harness::Run::of(repo.world(), &mut command)
}

/// In a new clone with the pin, no command uses a ledger of a replaced project, whatever was
/// replaced. The same clone of the honest server uses all of them.
#[test]
fn pinned_jobs_use_no_other_project() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    project.ci.deploy(&["record", "dev", "--all"]).ok();
    project.bob.deploy(&["sync"]).ok();
    let root = project.bob.repo.git(&["config", "deploy.root"]).ok();
    let root = root.text();
    let commands: [&[&str]; 4] = [
        &["--project", "demo", "sync"],
        &["check", "dev", "HEAD"],
        &["status"],
        &["audit"],
    ];
    for pin in PINS {
        let repo = clone(&project, &format!("honest-{pin}"));
        for arguments in commands {
            let run = run_pinned(&repo, pin, &root, arguments).ok();
            assert!(!run.err().contains("not pinned"), "{pin}: {run}");
        }
    }
    let mallory = Member::new(&world, &project.server, "mallory");
    let stranger = mallory.at(&project.server, "stranger");
    let policy = project.policy(POLICY);
    let key = |member: &Member<'_>| member.key().to_string();
    stranger.begin(&policy.replace(&key(&project.alice), &key(&mallory)));
    stranger.record("dev", "HEAD", None);
    let honest: Vec<(String, String)> = ["policy", "dev"]
        .map(|ledger| {
            let name = format!("refs/deploy/{ledger}");
            let tip = project.server.rev(&name);
            (name, tip)
        })
        .into();
    for replacement in REPLACEMENTS {
        for ledger in replacement.replaced {
            let name = format!("refs/deploy/{ledger}");
            let tip = stranger.repo.rev(&name);
            let url = stranger.repo.url();
            project.server.git(&["fetch", "-q", &url, &tip]).ok();
            project.server.git(&["update-ref", &name, &tip]).ok();
        }
        for ledger in replacement.deleted {
            let name = format!("refs/deploy/{ledger}");
            project.server.git(&["update-ref", "-d", &name]).ok();
        }
        for pin in PINS {
            let context = format!("{} {pin}", replacement.name);
            let repo = clone(&project, &context.replace(' ', "-"));
            for arguments in commands {
                let run = run_pinned(&repo, pin, &root, arguments);
                let is_answer = run.succeeded() && !run.text().contains("no ledgers");
                assert!(!is_answer, "{context}: {run}");
            }
            let tips = repo.git(&["for-each-ref", "refs/deploy/"]).ok().text();
            assert_eq!(tips, "", "{context}");
        }
        // An old clone keeps what it has.
        let before = project.bob.repo.rev("refs/deploy/dev");
        let run = project.bob.deploy(&["sync"]);
        assert!(!run.succeeded(), "{}: {run}", replacement.name);
        assert_eq!(project.bob.repo.rev("refs/deploy/dev"), before);
        for (name, tip) in &honest {
            project.server.git(&["update-ref", name, tip]).ok();
        }
        project.bob.deploy(&["sync"]).ok();
    }
}

/// Without the pin, a new clone cannot know. It says so with every command that decides or fetches.
#[test]
fn unpinned_jobs_are_told() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let repo = clone(&project, "job");
    let sync = repo.deploy(&["sync"]).ok();
    assert!(sync.err().contains("trusted on first use"), "{sync}");
    let never_synced = clone(&project, "job-2");
    let check = never_synced.deploy(&["check", "dev", "HEAD"]).ok();
    assert!(check.err().contains("trusted on first use"), "{check}");
}

//! Bare repositories that somebody else may have put into the working directory.

use super::Scene;
use crate::harness::{Repo, Run, World};

/// In a bare repository that git may not find by itself, git-deploy refuses as well.
#[test]
fn found_bare_repositories_are_refused() {
    let world = World::new();
    let scene = Scene::new(&world);
    let bare = scene.clone("bare.git", &["--mirror"]);
    let normal = scene.clone("normal", &[]);
    let run_in = |repo: &Repo<'_>, folder: &str, git_dir: Option<&str>| {
        let mut command = repo.command("git-deploy");
        command
            .current_dir(repo.path().join(folder))
            .arg("status")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.bareRepository")
            .env("GIT_CONFIG_VALUE_0", "explicit");
        if let Some(git_dir) = git_dir {
            command.env("GIT_DIR", git_dir);
        }
        Run::of(&world, &mut command)
    };
    for folder in ["", "refs"] {
        let run = run_in(&bare, folder, None).fails(3);
        assert!(run.err().contains("safe.bareRepository"), "{run}");
    }
    run_in(&bare, "", Some(".")).ok();
    run_in(&normal, "", None).ok();
    run_in(&normal, ".git", None).ok();
    // The repository's own setting could be an attacker's, or a mistake: it does not count.
    bare.git(&["config", "safe.bareRepository", "explicit"])
        .ok();
    bare.deploy(&["status"]).ok();
}

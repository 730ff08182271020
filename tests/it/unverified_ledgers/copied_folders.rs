//! A copy of a repository's folder, which anyone can prepare, with a record that claims to have
//! verified a forged entry.

use std::path::Path;

use super::Scene;
use crate::harness::{Repo, World};

/// Moves `dev` to a forged entry, and records it as verified.
fn forge(scene: &Scene<'_>, repo: &Repo<'_>) {
    let url = scene.project.server.url();
    repo.git(&["fetch", "-q", &url, &scene.evil, &scene.forged])
        .ok();
    repo.git(&["update-ref", "refs/deploy/dev", &scene.forged])
        .ok();
    // Without a remote, nothing tells what the ledger should be.
    repo.git(&["remote", "remove", "origin"]).ok();
    let record = repo.path().join(".git/git-deploy/verified-tips");
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(text.contains(&scene.honest), "{text}");
    std::fs::write(&record, text.replace(&scene.honest, &scene.forged)).unwrap();
}

/// Returns whether `check` takes the forged entry for a deployment to `dev`.
fn believes(scene: &Scene<'_>, repo: &Repo<'_>) -> bool {
    let run = repo.deploy(&["check", "prod", &scene.evil, "--json"]);
    let text = run.text();
    assert!(
        text.contains("\"checks\"") || run.err().contains("dev"),
        "{run}"
    );
    !text.contains("never ran") && !run.err().contains("verif")
}

fn copy_folder<'w>(world: &'w World, from: &Path) -> Repo<'w> {
    let copy = world.existing("copy", "ci");
    let (from, to) = (from.to_str().unwrap(), copy.path().to_str().unwrap());
    let status = std::process::Command::new("cp")
        .args(["-a", from, to])
        .status();
    assert!(status.unwrap().success());
    copy
}

/// The record of a copied folder is not used. The control: the owner of a clone can change it there.
#[test]
fn the_record_of_a_copied_folder_is_not_used() {
    let world = World::new();
    let scene = Scene::new(&world);
    let ci = &scene.project.ci;
    ci.deploy(&["sync"]).ok();
    ci.deploy(&["status"]).ok();
    let copy = copy_folder(&world, ci.repo.path());
    forge(&scene, &copy);
    assert!(!believes(&scene, &copy));
    copy.deploy(&["audit"]).fails(1);

    forge(&scene, &ci.repo);
    assert!(believes(&scene, &ci.repo));
}

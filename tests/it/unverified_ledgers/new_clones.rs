//! Clones that have verified nothing yet.

use super::{REFSPEC, Scene, Source, WAYS, is_left_out, is_used, nothing_is_decided};
use crate::harness::{Repo, Run, World};

/// A forged entry in a clone that never verified anything is found as well. After a sync, such a
/// clone is like any other one whose remote has a bad ledger.
#[test]
fn forged_entries_in_new_clones_are_left_out() {
    let world = World::new();
    let scene = Scene::new(&world);
    scene.set_server(&scene.forged);
    for way in WAYS.iter().filter(|way| way.source == Source::Remote) {
        let repo = scene.clone(way.name, way.clone_options);
        (way.bring)(&repo, "");
        is_left_out(&scene, &repo, way.name);
        repo.deploy(&["sync"]).fails(1);
        is_used_up_to_the_honest_entry(&scene, &repo, way.name);
        (way.bring)(&repo, "");
        is_left_out(&scene, &repo, way.name);
    }
    let fresh = scene.clone("fresh", &[]);
    is_used_up_to_the_honest_entry(&scene, &fresh, "fresh");
}

/// Checks that a repository whose remote has a forged tip of `dev` shows the entry before it, and
/// says so, but decides nothing on it.
#[track_caller]
fn is_used_up_to_the_honest_entry(scene: &Scene<'_>, repo: &Repo<'_>, context: &str) {
    let says = |run: &Run<'_>| {
        let words = run.words_of_err();
        let names_both = [&scene.forged, &scene.honest]
            .iter()
            .all(|tip| words.contains(&tip[..10]));
        assert!(
            words.contains("ledger dev has an entry that does not verify") && names_both,
            "{context}: {run}"
        );
    };
    for arguments in [
        &["status"][..],
        &["status", "dev"],
        &["log", "dev"],
        &["show", "HEAD"],
    ] {
        says(&repo.deploy(arguments).ok());
    }
    assert_eq!(repo.rev("refs/deploy/dev"), scene.honest, "{context}");
    for (code, arguments) in [
        (3, &["check", "prod", "HEAD"][..]),
        (3, &["check", "dev", "HEAD"]),
        (3, &["status", "dev", "--exit-code"]),
        (3, &["contains", "dev", "HEAD"]),
        (3, &["plan", "dev", "HEAD"]),
        (3, &["notes", "rebuild"]),
    ] {
        says(&repo.deploy(arguments).fails(code));
    }
    nothing_is_decided(repo, context);
    let show = repo.deploy(&["show", &scene.evil]).ok();
    assert!(!show.text().contains("live"), "{context}: {show}");
    repo.deploy(&["audit"]).fails(1);
}

/// A ledger of which no entry verifies is set aside by a sync, as no clone would have fetched it, so
/// that the printed command ends the warning.
#[test]
fn ledgers_without_a_verified_entry_are_set_aside() {
    let world = World::new();
    let scene = Scene::new(&world);
    let ways = WAYS.iter().filter(|way| way.source == Source::Remote);
    let revisions = ["refs/deploy/dev", "main:api/x", "main^{tree}"];
    for (way, revision) in ways.zip(revisions) {
        let repo = scene.clone(way.name, way.clone_options);
        (way.bring)(&repo, "");
        let tip = scene.project.server.rev(revision);
        // One that the remote has as well, and one that it does not have.
        for is_on_remote in [true, false] {
            let context = format!("{} {is_on_remote}", way.name);
            let name = "refs/deploy/prod";
            let server = &scene.project.server;
            if is_on_remote {
                server.git(&["update-ref", name, &tip]).ok();
            }
            repo.git(&["update-ref", name, &tip]).ok();
            let status = repo.deploy(&["status"]).ok();
            let words = status.words_of_err();
            assert!(
                words.contains("the ledger prod here is not used")
                    && words.contains("→ git deploy sync"),
                "{context}: {status}"
            );
            repo.deploy(&["sync"]).fails(i32::from(is_on_remote));
            let aside = format!("refs/deploy-set-aside/prod/{}", &tip[..10]);
            assert_eq!(repo.rev(&aside), tip, "{context}");
            if is_on_remote {
                server.git(&["update-ref", "-d", name]).ok();
                repo.deploy(&["sync"]).ok();
            }
            is_used(&scene, &repo, &context);
        }
    }
}

/// A clone that trusts whatever its ledgers say prints the command that pins the project.
#[test]
fn missing_pins_are_reported() {
    let world = World::new();
    let scene = Scene::new(&world);
    let repo = scene.clone("unpinned", &["--mirror"]);
    let root = scene
        .project
        .bob
        .repo
        .git(&["config", "deploy.root"])
        .ok()
        .text();
    let check = || repo.deploy(&["check", "dev", "main"]).ok().err();
    let pin = format!("git config deploy.root {root}");
    assert!(check().contains(&pin), "{}", check());
    repo.run("sh", &["-c", &pin]).ok();
    assert!(!check().contains("deploy.root"), "{}", check());
    // Another project's pin: nothing is shown.
    repo.git(&["config", "deploy.root", &scene.honest]).ok();
    for arguments in [&["status"][..], &["check", "dev", "main"], &["sync"]] {
        let run = repo.deploy(arguments).fails(1);
        assert!(run.err().contains("another project's"), "{run}");
    }
}

/// What counts as the age of the information is the last verified sync, not a fetch by git.
#[test]
fn plain_fetches_do_not_count_as_syncs() {
    let world = World::new();
    let scene = Scene::new(&world);
    let repo = scene.clone("age", &["-c", REFSPEC]);
    let age = || repo.deploy(&["status", "--json"]).ok().json()["fetched"].clone();
    repo.git(&["fetch", "-q"]).ok();
    assert_eq!(age(), serde_json::Value::Null);
    repo.deploy(&["sync"]).ok();
    let synced = age();
    assert!(synced.is_string());
    world.advance("1h");
    repo.git(&["fetch", "-q"]).ok();
    assert_eq!(age(), synced);
    // A sync that verifies nothing does not count either.
    scene.set_server(&scene.older);
    repo.deploy(&["sync"]).fails(1);
    assert_eq!(age(), synced);
    scene.set_server(&scene.honest);
    repo.deploy(&["sync"]).ok();
    assert_ne!(age(), synced);
}

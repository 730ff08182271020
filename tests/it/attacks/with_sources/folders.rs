//! Folders in which another user could have put something: a shared repository and the folder of a
//! user's temporary files.

use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::Path;

use rustix::process::geteuid;

use crate::harness::{Project, Repo, Run, World, skip};
use crate::run::RunFixture;

const POLICY: &str = "[environments]\ndev = {}\n";
/// A user who owns nothing here.
const OTHER: u32 = 54321;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A link, a named pipe or a folder in place of a file of ours changes no other file, neither its
/// content nor its mode, and no command waits for it.
#[test]
fn links_in_a_shared_repository_change_no_file() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let victim = world.path().join("home/victim");
    let content = "a file of the user\n";
    std::fs::write(&victim, content).unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o640)).unwrap();
    let elsewhere = world.path().join("home/elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let git = ci.repo.path().join(".git");
    let names = [
        git.join("git-deploy/lock"),
        git.join("git-deploy/last-sync"),
        git.join("git-deploy"),
        project.server.path().join("git-deploy.lock"),
    ];
    // As `core.sharedRepository` makes it.
    ci.repo.run("chmod", &["-R", "g+w", ".git"]).ok();
    for name in names {
        let name_text = name.display().to_string();
        let aside = name.with_extension("aside");
        let _ = std::fs::rename(&name, &aside);
        let is_folder = aside.is_dir();
        for kind in ["link", "pipe", "dangling link"] {
            match kind {
                "link" if is_folder => symlink(&elsewhere, &name).unwrap(),
                "link" => symlink(&victim, &name).unwrap(),
                "pipe" => drop(ci.repo.run("mkfifo", &[&name_text]).ok()),
                _ => symlink(world.path().join("home/new"), &name).unwrap(),
            }
            for arguments in [&["sync"][..], &["record", "dev", "--all"], &["status"]] {
                let run = ci
                    .repo
                    .run("timeout", &[&["60", "git-deploy"], arguments].concat());
                let case = format!("{kind} {name_text}: {run}");
                assert!(
                    !run.to_string().contains("exit status: 124"),
                    "waits: {case}"
                );
                assert_eq!(std::fs::read_to_string(&victim).unwrap(), content, "{case}");
                assert_eq!(mode(&victim), 0o640, "{case}");
                assert!(!world.path().join("home/new").exists(), "{case}");
                let others = std::fs::read_dir(&elsewhere).unwrap().count();
                assert_eq!(others, 0, "{case}");
            }
            let _ = std::fs::remove_file(&name);
        }
        let _ = std::fs::rename(&aside, &name);
        ci.deploy(&["sync"]).ok();
    }
    ci.deploy(&["record", "dev", "--all"]).ok();
    project.audited();
}

/// Plans with this folder for caches.
fn plan_with_cache<'w>(repo: &Repo<'w>, cache: &Path) -> Run<'w> {
    let variable = format!("XDG_CACHE_HOME={}", cache.display());
    repo.run("env", &[&variable, "git-deploy", "plan", "dev"])
}

/// The folder of a user's checkouts, logs and temporary files is not that of another user, also if a
/// link of another user leads to a folder of the user. Its mode is corrected.
#[test]
fn folders_of_other_users_are_not_used() {
    if !geteuid().is_root() {
        skip("needs root, to give folders away");
        return;
    }
    let world = World::new();
    let play = RunFixture::new(&world, POLICY, &[]);
    let ci = &play.project.ci;
    let cache = world.path().join("home/shared-cache");
    let folder = cache.join("git-deploy");
    let own = world.path().join("home/own");
    std::fs::create_dir(&cache).unwrap();
    std::fs::create_dir(&own).unwrap();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = || plan_with_cache(&ci.repo, &cache);
    std::fs::create_dir(&folder).unwrap();
    lchown(&folder, Some(OTHER), Some(OTHER)).unwrap();
    let refused = run().fails(3);
    assert!(
        refused.words_of_err().contains("belongs to another user"),
        "{refused}"
    );
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir(&folder).unwrap();
    symlink(&own, &folder).unwrap();
    lchown(&folder, Some(OTHER), Some(OTHER)).unwrap();
    let refused = run().fails(3);
    assert!(
        refused.words_of_err().contains("belongs to another user"),
        "{refused}"
    );
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 0);
    assert_eq!(mode(&own), 0o755);
    // The controls: a link of the user, and a folder with another mode.
    lchown(&folder, Some(0), Some(0)).unwrap();
    run().ok();
    assert_eq!(mode(&own), 0o700);
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    run().ok();
    assert_eq!(mode(&folder), 0o700);
}

/// While others could write to that folder, they may have put something in it, which stays theirs.
#[test]
fn what_others_put_into_the_folder_of_a_user_is_not_used() {
    if !geteuid().is_root() {
        skip("needs root, to give folders away");
        return;
    }
    let world = World::new();
    let play = RunFixture::new(&world, POLICY, &[]);
    let ci = &play.project.ci;
    let cache = world.path().join("home/shared-cache");
    let folder = cache.join("git-deploy");
    let elsewhere = world.path().join("home/elsewhere");
    let run = || plan_with_cache(&ci.repo, &cache);
    let words = "belongs to another user";
    for top in [0o700, 0o777] {
        for name in [
            "checkouts",
            "logs",
            "temp",
            "logs/x",
            "checkouts/x/dev/lock",
        ] {
            // Other users cannot write to a private folder, but it may have been public before.
            let is_deep = name.contains('/');
            for (kind, owner, expected) in [
                ("folder", OTHER, Some(words)),
                ("link", OTHER, Some(words)),
                ("file", 0, Some("not a directory")),
                ("folder", 0, None),
                ("link", 0, None),
            ] {
                let path = folder.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::create_dir_all(&elsewhere).unwrap();
                match kind {
                    "folder" => std::fs::create_dir(&path).unwrap(),
                    "link" => symlink(&elsewhere, &path).unwrap(),
                    _ => std::fs::write(&path, "").unwrap(),
                }
                lchown(&path, Some(owner), Some(owner)).unwrap();
                std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(top)).unwrap();
                let is_seen = !is_deep || top == 0o777 && owner == OTHER;
                let case = format!("{kind} of {owner} at {name}, mode {top:o}");
                let expected = expected.filter(|_| is_seen);
                // Again, because the first call must not hide it.
                for _ in 0..2 {
                    let run = run();
                    let said = run.words_of_err().to_lowercase();
                    let is_refused = expected.is_some_and(|words| said.contains(words));
                    assert_eq!(is_refused, expected.is_some(), "{case}: {run}");
                    run.fails(if expected.is_some() { 3 } else { 0 });
                }
                std::fs::remove_dir_all(&cache).unwrap();
            }
        }
    }
}

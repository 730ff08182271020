//! The file that locks a server's ledgers: only those who may push can open it, and so hold the lock.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use rustix::process::geteuid;

use crate::harness::{Project, World, has_tool, skip};

/// A user who owns nothing here.
const READER: &str = "54321";

#[test]
fn the_lock_follows_the_sharing() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let path = project.server.path().join("git-deploy.lock");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    for (sharing, expected) in [
        ("umask", 0o600),
        ("group", 0o660),
        ("world", 0o660),
        ("0640", 0o600),
        ("0660", 0o660),
    ] {
        // An earlier version made the file readable.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let set = ["config", "core.sharedRepository", sharing];
        project.server.git(&set).ok();
        project.alice.deploy(&["lock", "dev", "-m", sharing]).ok();
        assert_eq!(mode(), expected, "{sharing}");
        project.alice.deploy(&["unlock", "dev", "-m", sharing]).ok();
    }
}

/// A user with read access only cannot hold the lock, so a push does not wait for it.
#[test]
fn a_reader_cannot_hold_the_lock() {
    if !geteuid().is_root() {
        skip("needs root, to act as two users");
        return;
    }
    if !["setpriv", "flock"].into_iter().all(has_tool) {
        return;
    }
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let server = project.server.path();
    for folder in [world.path(), server] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let reader = |words: &[&str]| {
        let mut command = project.server.command("setpriv");
        command
            .args([&format!("--reuid={READER}"), &format!("--regid={READER}")])
            .arg("--clear-groups")
            .args(words)
            .current_dir("/")
            .stderr(Stdio::null());
        command.status().unwrap().success()
    };
    let head = server.join("HEAD");
    assert!(
        reader(&["cat", head.to_str().unwrap()]),
        "the reader cannot read the repository"
    );
    let mut locks = 0;
    for entry in std::fs::read_dir(server).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "lock") {
            for option in ["--exclusive", "--shared"] {
                let flock = [
                    "flock",
                    "--nonblock",
                    option,
                    path.to_str().unwrap(),
                    "true",
                ];
                assert!(!reader(&flock), "{} can be held", path.display());
            }
            locks += 1;
        }
    }
    assert!(locks > 0, "there is no lock file");
    project.alice.deploy(&["lock", "dev", "-m", "free"]).ok();
}

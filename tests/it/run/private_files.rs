//! The files of a run: other users cannot read them, whatever the umask, and those of a killed run
//! go with the next one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{BackgroundRun, RunFixture, waiting};
use crate::harness::{Repo, World};

/// Starts a command with a umask that restricts nothing.
fn begin(repo: &Repo<'_>, arguments: &[&str]) -> BackgroundRun {
    let mut command = repo.command("sh");
    command.args(["-c", "umask 000; exec git-deploy \"$@\"", "sh"]);
    BackgroundRun::of(repo, command.args(arguments))
}

/// Returns what is in a folder, without the files of checkouts, which have the modes of the commit.
fn entries(root: &Path) -> Vec<walkdir::DirEntry> {
    let in_checkout = |entry: &walkdir::DirEntry| {
        let path = entry.path().strip_prefix(root).unwrap();
        path.starts_with("checkouts") && path.components().count() > 4
    };
    walkdir::WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| !in_checkout(entry))
        .map(Result::unwrap)
        // The mode of a link has no effect.
        .filter(|entry| !entry.path_is_symlink())
        .collect()
}

/// Checks the modes of everything in a folder, and returns the number of files.
#[track_caller]
fn assert_private(root: &Path) -> usize {
    let mut files = 0;
    for entry in entries(root) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
        let path = entry.path().display();
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
        files += usize::from(entry.file_type().is_file());
    }
    files
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn files_of_a_run_are_private() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\nqa = {}\n", &[]);
    play.change(&[
        ("net/plan", "echo secret > $DEPLOY_PLAN; cat $DEPLOY_PLAN\n"),
        ("net/apply", &waiting("$DEPLOY_ENV")),
        ("db/apply", "exit 1\n"),
    ]);
    let files = play.files("ci");
    let repo = &play.project.ci.repo;
    let net = ["run", "dev", "--yes", "--component", "net"];
    for arguments in [
        &["plan", "dev"][..],
        &["run", "qa", "--yes", "--component", "db"],
        &["verify", "dev"],
        &["sync"],
        &["check", "dev"],
    ] {
        begin(repo, arguments).ended();
        assert_private(&files);
    }
    let dies = begin(repo, &net);
    play.wait_for("dev.there");
    assert!(
        assert_private(&files) > 3,
        "the modes of hardly anything were looked at"
    );
    let leftovers = folders(&files.join("temp"));
    assert_eq!(leftovers.len(), 1);
    dies.dies();
    assert!(leftovers[0].exists());
    let checkout = |environment: &str| {
        let project = folders(&files.join("checkouts")).remove(0);
        project.join(environment).join("net")
    };
    assert!(checkout("dev").exists());

    // A run in another environment removes what the killed one has left, but not what is in use.
    let lives = begin(repo, &["run", "qa", "--yes", "--component", "net"]);
    play.wait_for("qa.there");
    assert!(!leftovers[0].exists() && !checkout("dev").exists());
    let used = folders(&files.join("temp"));
    begin(repo, &["plan", "dev"]).ended();
    assert_eq!(folders(&files.join("temp")), used);
    assert!(checkout("qa").exists());
    play.touch("qa");
    lives.ends_with(0);
    assert_private(&files);
    play.nothing_left();
    let in_git = repo.path().join(".git/git-deploy");
    assert_private(&in_git);
}

/// The folder of a user is made private if an earlier version or the user left it open.
#[test]
fn an_open_folder_is_closed() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let files = play.files("ci");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::set_permissions(&files, std::fs::Permissions::from_mode(0o755)).unwrap();
    play.run(&["--component", "net"]).ok();
    assert_private(&files);
}

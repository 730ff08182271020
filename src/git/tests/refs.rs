//! Tests of refs: no race loses an entry, and only plain refs are accepted.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{TestRepository, plain_git};
use crate::domain::id::Oid;
use crate::git::{Error, Repository};

const NAME: &str = "refs/deploy/prod";

/// Writes a commit without files, and returns its id.
fn write_child_commit(repository: &Repository, parent: Option<Oid>, message: &str) -> Oid {
    let tree = repository.write_edited_tree(None, &[]).unwrap();
    let parent = parent
        .map(|parent| format!("parent {parent}\n"))
        .unwrap_or_default();
    let raw = format!(
        "tree {tree}\n{parent}author A <a@b> 5 +0000\ncommitter A <a@b> 5 +0000\n\n{message}\n"
    );
    repository.write_commit(raw.as_bytes()).unwrap()
}

/// Appends a commit to the ref, and retries after a lost race.
fn append(repository: &Repository, message: &str) {
    loop {
        let old = repository.read_ref(NAME).unwrap();
        match repository.move_ref(
            NAME,
            old,
            write_child_commit(repository, old, message),
            message,
        ) {
            Ok(()) => return,
            Err(error) => assert!(error.is_lost_race(), "{error:?}"),
        }
    }
}

/// Four writers at once lose no entry, with `git pack-refs` running all the time.
#[test]
fn races_lose_nothing() {
    let scratch = TestRepository::bare();
    append(&scratch.open(), "first");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let packer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // It may fail because a writer holds the lock; it only has to run.
                let _ = plain_git(&scratch.path)
                    .args(["pack-refs", "--all"])
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
            }
        });
        let writer = |writer: usize| {
            // Opened again, as another process would.
            let repository = scratch.open();
            (0..25).for_each(|entry| append(&repository, &format!("{writer} {entry}")));
        };
        let writers: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || writer(number)))
            .collect();
        let results: Vec<_> = writers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        packer.join().unwrap();
        assert!(results.iter().all(Result::is_ok));
    });
    let subjects = scratch.git(&["log", "--first-parent", "--format=%s", NAME]);
    let mut subjects: Vec<_> = subjects.lines().collect();
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects.len(), 101);
    scratch.fsck();
    assert_eq!(
        scratch
            .open()
            .first_parent_walk(scratch.oid(&["rev-parse", NAME]))
            .count(),
        101
    );
    // The bare repository has a reflog of its ledger.
    assert_eq!(
        scratch
            .git(&["reflog", "show", "--format=%gs", NAME])
            .lines()
            .count(),
        101
    );
}

/// A lost race is an error that contains the ref's value. The ref keeps the winner's value.
#[test]
fn lost_races_are_reported() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let (one, two, three) = (
        write_child_commit(&repository, None, "1"),
        write_child_commit(&repository, None, "2"),
        write_child_commit(&repository, None, "3"),
    );
    assert!(matches!(
        repository.move_ref(NAME, Some(one), two, ""),
        Err(Error::LostRace { found: None, .. })
    ));
    repository.move_ref(NAME, None, one, "").unwrap();
    // Two writers that create the same first entry both succeed.
    repository.move_ref(NAME, None, one, "").unwrap();
    for old in [None, Some(three)] {
        let lost = repository.move_ref(NAME, old, two, "");
        assert!(
            matches!(lost, Err(Error::LostRace { found: Some(found), .. }) if found == one),
            "{lost:?}"
        );
    }
    repository
        .move_ref(NAME, Some(one), two, "two\nlines")
        .unwrap();
    scratch.git(&["pack-refs", "--all"]);
    assert_eq!(repository.read_ref(NAME).unwrap(), Some(two));
    assert!(
        repository
            .move_ref(NAME, Some(one), three, "")
            .is_err_and(|error| error.is_lost_race())
    );
    repository.move_ref(NAME, Some(two), three, "").unwrap();
    assert_eq!(scratch.oid(&["rev-parse", NAME]), three);
    assert_eq!(
        repository.list_refs("refs/deploy/").unwrap(),
        [(NAME.to_owned(), three)]
    );
}

/// A lock that is held for a moment only delays the move.
#[test]
fn waits_for_a_lock() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let one = write_child_commit(&repository, None, "1");
    let lock = scratch.path.join("refs/deploy/prod.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            std::fs::remove_file(&lock).unwrap();
        });
        repository.move_ref(NAME, None, one, "").unwrap();
    });
    assert_eq!(repository.read_ref(NAME).unwrap(), Some(one));
}

/// Symbolic refs are refused: a hook would check one name while another ref moves.
#[test]
fn symbolic_refs_are_refused() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let one = write_child_commit(&repository, None, "1");
    repository
        .move_ref("refs/heads/main", None, one, "")
        .unwrap();
    scratch.git(&["symbolic-ref", NAME, "refs/heads/main"]);
    assert!(matches!(
        repository.read_ref(NAME),
        Err(Error::BrokenRef { .. })
    ));
    assert!(matches!(
        repository.list_refs("refs/deploy/"),
        Err(Error::BrokenRef { .. })
    ));
    for old in [None, Some(one)] {
        assert!(
            repository
                .move_ref(NAME, old, write_child_commit(&repository, None, "2"), "")
                .is_err()
        );
    }
    assert_eq!(repository.read_ref("refs/heads/main").unwrap(), Some(one));
}

/// Git looks up short names in many places, but only the exact name is the ledger: a branch with a
/// similar name is not.
#[test]
fn only_the_exact_name_counts() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let one = write_child_commit(&repository, None, "1");
    for shadow in [
        "refs/heads/refs/deploy/prod",
        "refs/tags/refs/deploy/prod",
        "refs/refs/deploy/prod",
    ] {
        scratch.git(&["update-ref", shadow, &one.to_string()]);
    }
    assert_eq!(repository.read_ref(NAME).unwrap(), None);
    scratch.git(&["pack-refs", "--all"]);
    assert_eq!(scratch.open().read_ref(NAME).unwrap(), None);
    for name in [
        "prod",
        "deploy/prod",
        "HEAD",
        "refs/deploy/../heads/main",
        "refs/deploy/a.lock",
        "refs/deploy/",
        "--all",
    ] {
        assert!(
            matches!(repository.read_ref(name), Err(Error::InvalidRef { .. })),
            "{name}"
        );
    }
}

/// A broken ref file is an error: if it counted as missing, an older packed value would be read.
#[test]
fn broken_refs_are_errors() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let one = write_child_commit(&repository, None, "1");
    repository.move_ref(NAME, None, one, "").unwrap();
    scratch.git(&["pack-refs", "--all"]);
    std::fs::create_dir_all(scratch.path.join("refs/deploy")).unwrap();
    std::fs::write(scratch.path.join(NAME), "").unwrap();
    let repository = scratch.open();
    assert!(repository.read_ref(NAME).is_err());
    assert!(repository.list_refs("refs/deploy/").is_err());
    assert!(
        repository
            .move_ref(
                NAME,
                Some(one),
                write_child_commit(&repository, Some(one), "2"),
                ""
            )
            .is_err()
    );
}

/// A name that would be both a ref and a folder of refs is refused. With packed refs git could
/// create it, and then neither could be read reliably.
#[test]
fn ref_and_folder_conflict() {
    let scratch = TestRepository::bare();
    let one = write_child_commit(&scratch.open(), None, "1");
    scratch
        .open()
        .move_ref("refs/deploy/pr", None, one, "")
        .unwrap();
    scratch
        .open()
        .move_ref("refs/deploy/x/y", None, one, "")
        .unwrap();
    for pack in [false, true] {
        if pack {
            scratch.git(&["pack-refs", "--all"]);
        }
        for name in ["refs/deploy/pr/17", "refs/deploy/pr/17/18", "refs/deploy/x"] {
            let refused = scratch.open().move_ref(name, None, one, "");
            assert!(
                matches!(refused, Err(Error::InvalidRef { .. })),
                "{name} {pack}: {refused:?}"
            );
        }
    }
}

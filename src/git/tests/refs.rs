//! Refs: nothing is lost in a race, and nothing but a plain ref is taken for one.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Scratch, plain_git};
use crate::domain::id::Oid;
use crate::git::{Error, Repository};

const NAME: &str = "refs/deploy/prod";

fn child(repository: &Repository, parent: Option<Oid>, message: &str) -> Oid {
    let tree = repository.write_edited_tree(None, &[]).unwrap();
    let parent = parent
        .map(|parent| format!("parent {parent}\n"))
        .unwrap_or_default();
    let raw = format!(
        "tree {tree}\n{parent}author A <a@b> 5 +0000\ncommitter A <a@b> 5 +0000\n\n{message}\n"
    );
    repository.write_commit(raw.as_bytes()).unwrap()
}

/// Appends until it wins.
fn append(repository: &Repository, message: &str) {
    loop {
        let old = repository.read_ref(NAME).unwrap();
        match repository.move_ref(NAME, old, child(repository, old, message), message) {
            Ok(()) => return,
            Err(error) => assert!(error.is_lost_race(), "{error:?}"),
        }
    }
}

/// The ledger's whole promise: of four writers, with `git pack-refs` running all the time, no entry is lost.
#[test]
fn races_lose_nothing() {
    let scratch = Scratch::bare();
    append(&scratch.open(), "first");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let packer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // It may lose the lock to a writer; what counts is that it runs.
                let _ = plain_git(&scratch.path)
                    .args(["pack-refs", "--all"])
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
            }
        });
        let writer = |writer: usize| {
            // Opened anew, as another process would.
            let repository = scratch.open();
            (0..25).for_each(|entry| append(&repository, &format!("{writer} {entry}")));
        };
        let writers: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || writer(number)))
            .collect();
        let ended: Vec<_> = writers
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        packer.join().unwrap();
        assert!(ended.iter().all(Result::is_ok));
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
    // The bare repository remembers where its ledger was.
    assert_eq!(
        scratch
            .git(&["reflog", "show", "--format=%gs", NAME])
            .lines()
            .count(),
        101
    );
}

/// A lost race says so, and says where the ref is; the ref stays where the winner put it.
#[test]
fn lost_races_are_told() {
    let scratch = Scratch::bare();
    let repository = scratch.open();
    let (one, two, three) = (
        child(&repository, None, "1"),
        child(&repository, None, "2"),
        child(&repository, None, "3"),
    );
    assert!(matches!(
        repository.move_ref(NAME, Some(one), two, ""),
        Err(Error::LostRace { found: None, .. })
    ));
    repository.move_ref(NAME, None, one, "").unwrap();
    // Two first writers of one genesis make the same commit.
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

/// Whoever holds the lock for a moment only delays us.
#[test]
fn a_held_lock_is_waited_for() {
    let scratch = Scratch::bare();
    let repository = scratch.open();
    let one = child(&repository, None, "1");
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

/// A hook judges the name it is given; behind a symbolic ref another one would move.
#[test]
fn symbolic_refs_are_refused() {
    let scratch = Scratch::bare();
    let repository = scratch.open();
    let one = child(&repository, None, "1");
    repository
        .move_ref("refs/heads/main", None, one, "")
        .unwrap();
    scratch.git(&["symbolic-ref", NAME, "refs/heads/main"]);
    assert!(matches!(
        repository.read_ref(NAME),
        Err(Error::InvalidRef { .. })
    ));
    assert!(matches!(
        repository.list_refs("refs/deploy/"),
        Err(Error::InvalidRef { .. })
    ));
    for old in [None, Some(one)] {
        assert!(
            repository
                .move_ref(NAME, old, child(&repository, None, "2"), "")
                .is_err()
        );
    }
    assert_eq!(repository.read_ref("refs/heads/main").unwrap(), Some(one));
}

/// git looks up short names in many places; a branch that is called like a ledger is not the ledger.
#[test]
fn only_the_very_ref() {
    let scratch = Scratch::bare();
    let repository = scratch.open();
    let one = child(&repository, None, "1");
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

/// A broken ref file is not "no ref": taken for one, an older packed value would come back to life.
#[test]
fn broken_refs_are_errors() {
    let scratch = Scratch::bare();
    let repository = scratch.open();
    let one = child(&repository, None, "1");
    repository.move_ref(NAME, None, one, "").unwrap();
    scratch.git(&["pack-refs", "--all"]);
    std::fs::create_dir_all(scratch.path.join("refs/deploy")).unwrap();
    std::fs::write(scratch.path.join(NAME), "").unwrap();
    let repository = scratch.open();
    assert!(repository.read_ref(NAME).is_err());
    assert!(repository.list_refs("refs/deploy/").is_err());
    assert!(
        repository
            .move_ref(NAME, Some(one), child(&repository, Some(one), "2"), "")
            .is_err()
    );
}

/// A ref that is a file and a folder at once can be made with packed refs, and then neither can be read reliably.
#[test]
fn file_and_folder() {
    let scratch = Scratch::bare();
    let one = child(&scratch.open(), None, "1");
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

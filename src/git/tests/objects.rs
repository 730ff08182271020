//! Tests of single objects, settings and revisions, and of repositories that must not be opened.

use super::{TestRepository, git_in, plain_git, run};
use crate::domain::time::Time;
use crate::git::object::ObjectKind;
use crate::git::{Commit, Error, HashKind, Leaf, Repository};

/// Git reads the objects that we write, with either hash function.
#[test]
fn git_reads_what_we_write() {
    for (format, kind) in [("sha1", HashKind::Sha1), ("sha256", HashKind::Sha256)] {
        let scratch = TestRepository::new(&["--object-format", format]);
        let repository = scratch.open();
        assert_eq!(repository.hash_kind(), kind);
        let blob = repository.write_blob(b"hello\n").unwrap();
        assert_eq!(
            scratch.git(&["cat-file", "blob", &blob.to_string()]),
            "hello\n"
        );
        let tree = repository
            .write_edited_tree(
                None,
                &[
                    ("a/b.json", Some(Leaf::Blob(blob))),
                    ("c", Some(Leaf::Blob(blob))),
                ],
            )
            .unwrap();
        let raw = format!(
            "tree {tree}\nauthor A <a@b> 5 +0000\ncommitter C <c@d> 7 +0000\n\nsubject\n\nbody\n"
        );
        let id = repository.write_commit(raw.as_bytes()).unwrap();
        repository
            .move_ref("refs/heads/main", None, id, "test")
            .unwrap();
        scratch.fsck();
        // A second write of the same object changes nothing.
        assert_eq!(repository.write_blob(b"hello\n").unwrap(), blob);
        let packed = scratch.git(&["repack", "-adq"]);
        assert_eq!(packed, "");
        let commit = scratch.open().read_commit(id).unwrap();
        assert_eq!(
            (
                commit.tree,
                commit.parents.len(),
                commit.committer_time.as_seconds()
            ),
            (tree, 0, 7)
        );
        assert_eq!(commit.author(), b"A <a@b> 5 +0000");
        assert_eq!(commit.message(), b"subject\n\nbody\n");
        assert_eq!(commit.raw, raw.as_bytes());
    }
}

/// A missing, wrong, large or broken object each has its own error: a missing object must not look
/// like a missing fact.
#[test]
fn object_errors_differ() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let blob = repository.write_blob(b"hello\n").unwrap();
    let nothing = "1".repeat(40).parse().unwrap();
    assert!(matches!(repository.read_commit(nothing), Err(Error::Missing(id)) if id == nothing));
    assert!(matches!(
        repository.read_commit(blob),
        Err(Error::WrongKind { found: "blob", .. })
    ));
    assert!(matches!(
        repository.read_blob(blob, 5),
        Err(Error::LimitExceeded { limit: 5, .. })
    ));
    assert_eq!(repository.read_blob(blob, 6).unwrap(), b"hello\n");
    assert_eq!(
        repository.object_kind(blob).unwrap(),
        Some(ObjectKind::Blob)
    );
    assert_eq!(repository.object_kind(nothing).unwrap(), None);
    // An object that git finds broken is not read either.
    let hex = blob.to_string();
    let path = scratch.path.join("objects").join(&hex[..2]).join(&hex[2..]);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"rubbish").unwrap();
    assert!(scratch.open().read_blob(blob, 6).is_err());
    // Writing it again repairs it.
    repository.write_blob(b"hello\n").unwrap();
    assert_eq!(scratch.open().read_blob(blob, 6).unwrap(), b"hello\n");
}

/// Odd dates and headers of code commits neither stop a reader nor change the order that git sees.
#[test]
fn odd_commits() {
    let id = "2".repeat(40).parse().unwrap();
    let tree = "3".repeat(40);
    let parse = |committer: &str| {
        let raw = format!(
            "tree {tree}\nauthor x\ncommitter {committer}\ngpgsig -----\n parent {tree}\n\nm"
        );
        Commit::parse(id, raw.into_bytes()).unwrap()
    };
    let last: Time = "9999-12-31T23:59:59Z".parse().unwrap();
    for (committer, time) in [
        ("A <a@b> 17 +0200", Time::from_seconds(17).unwrap()),
        ("A <a> b> 17 +0000", Time::from_seconds(17).unwrap()),
        ("A <a@b> -17 +0000", Time::EPOCH),
        ("A <a@b>", Time::EPOCH),
        ("A <a@b> 99999999999999999999999 +0000", last),
        ("A <a@b> 9999999999999 +0000", last),
    ] {
        let commit = parse(committer);
        assert_eq!(commit.committer_time, time, "{committer}");
        assert_eq!(commit.parents, [], "a signature's lines are not headers");
        assert_eq!(commit.message(), b"m");
    }
    for bad in [
        "",
        "author x\n\n",
        "tree 12\n\n",
        &format!("parent {tree}\ntree {tree}\n\n"),
    ] {
        assert!(
            Commit::parse(id, bad.as_bytes().to_vec()).is_err(),
            "{bad:?}"
        );
    }
}

/// Repositories that gix would open and then misread are refused: the rules would miss facts.
#[test]
fn unsupported_repositories() {
    let reftable = TestRepository::new(&["--ref-format=reftable"]);
    assert!(matches!(
        Repository::open(&reftable.path),
        Err(Error::Unsupported { .. })
    ));
    for (key, value) in [
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("extensions.somethingNew", "1"),
        ("core.repositoryFormatVersion", "2"),
    ] {
        let scratch = TestRepository::bare();
        scratch.git(&["config", "core.repositoryFormatVersion", "1"]);
        assert!(Repository::open(&scratch.path).is_ok());
        scratch.git(&["config", key, value]);
        assert!(Repository::open(&scratch.path).is_err(), "{key}");
    }
    assert!(matches!(
        Repository::open(std::path::Path::new("/nonexistent")),
        Err(Error::Open { .. })
    ));
}

/// A replace ref does not change what a commit contains.
#[test]
fn replace_refs_are_ignored() {
    let scratch = TestRepository::bare();
    let one = scratch.commit(&[], "one", 1);
    let two = scratch.commit(&[], "two", 2);
    scratch.git(&["replace", &one.to_string(), &two.to_string()]);
    assert_eq!(scratch.open().read_commit(one).unwrap().message(), b"one\n");
    let seen = scratch
        .open()
        .git("cat-file")
        .args(["commit", &one.to_string()])
        .run()
        .unwrap()
        .into_stdout()
        .unwrap();
    assert!(seen.ends_with(b"one\n"));
    assert_eq!(
        scratch
            .open()
            .share()
            .fork()
            .read_commit(one)
            .unwrap()
            .message(),
        b"one\n"
    );
}

/// Worktrees share refs and objects with their repository, objects of alternates are found, and
/// every path is absolute.
#[test]
fn worktrees_and_alternates() {
    let scratch = TestRepository::bare();
    let commit = scratch.commit(&[], "one", 1);
    scratch.git(&["update-ref", "refs/heads/main", &commit.to_string()]);
    let clone = scratch.sibling_path("clone");
    scratch.git(&["clone", "--quiet", "--shared", ".", clone.to_str().unwrap()]);
    let linked = scratch.sibling_path("linked");
    git_in(
        &clone,
        &["worktree", "add", "--quiet", linked.to_str().unwrap()],
    );
    std::fs::create_dir(linked.join("below")).unwrap();
    let repository = Repository::discover(&linked.join("below")).unwrap();
    assert_eq!(repository.work_dir(), Some(&*linked));
    assert_eq!(
        repository.common_dir().canonicalize().unwrap(),
        clone.join(".git")
    );
    assert!(repository.git_dir().is_absolute() && repository.common_dir().is_absolute());
    assert_eq!(repository.read_commit(commit).unwrap().message(), b"one\n");
    repository
        .move_ref("refs/deploy/prod", None, commit, "test")
        .unwrap();
    assert_eq!(
        git_in(&clone, &["rev-parse", "refs/deploy/prod"]).trim(),
        commit.to_string()
    );
    assert!(!repository.is_bare() && scratch.open().is_bare());
}

/// Settings are read as git stores them. A value that looks like an option is still a value.
#[test]
fn settings() {
    let scratch = TestRepository::bare();
    scratch
        .open()
        .set_config("deploy.remote", "--global")
        .unwrap();
    scratch.open().add_config("deploy.many", "a").unwrap();
    scratch.open().add_config("deploy.many", "b c").unwrap();
    assert_eq!(scratch.git(&["config", "deploy.remote"]).trim(), "--global");
    let repository = scratch.open();
    assert_eq!(
        repository
            .config_string("deploy.remote")
            .unwrap()
            .as_deref(),
        Some("--global")
    );
    assert_eq!(
        repository.config_strings("deploy.many").unwrap(),
        ["a", "b c"]
    );
    assert_eq!(repository.config_string("deploy.nothing").unwrap(), None);
    assert!(repository.config_bool("deploy.remote").is_err());
    assert_eq!(repository.config_bool("core.bare").unwrap(), Some(true));
}

/// Branches, tags and abbreviated ids resolve to a commit. An option does not.
#[test]
fn revisions() {
    let scratch = TestRepository::bare();
    let commit = scratch.commit(&[], "one", 1);
    scratch.git(&["update-ref", "refs/heads/main", &commit.to_string()]);
    let mut command = plain_git(&scratch.path);
    command.args(["tag", "-a", "v1", "-m", "tag", "main"]);
    run(command, b"");
    let repository = scratch.open();
    for revision in ["main", "v1", "HEAD", &commit.prefix(10)] {
        assert_eq!(
            repository.resolve_revision(revision).unwrap(),
            Some(commit),
            "{revision}"
        );
    }
    for revision in ["nothing", "--all", "main~1", "main^{tree}", ""] {
        assert_eq!(
            repository.resolve_revision(revision).unwrap(),
            None,
            "{revision}"
        );
    }
}

//! Tests of tree edits and component contents, compared with the trees that git makes of the same
//! files.

use std::collections::BTreeMap;

use super::{SeededRandom, TestRepository};
use crate::domain::id::Oid;
use crate::domain::policy::{Coverage, FileOwnership};
use crate::git::content::ComponentPaths;
use crate::git::{Error, Leaf, TreeItem};

const NAMES: [&str; 8] = ["a", "a-b", "a.b", "b", "components", "live.json", "Z", "0"];

#[allow(clippy::unnecessary_wraps)] // The second half of an edit is an option.
fn file(id: Oid) -> Option<Leaf> {
    Some(Leaf::Blob(id))
}

fn random_path(numbers: &mut SeededRandom) -> String {
    let depth = 1 + numbers.below(3);
    (0..depth)
        .map(|_| *numbers.pick(&NAMES))
        .collect::<Vec<_>>()
        .join("/")
}

fn mode(leaf: Leaf) -> (&'static str, Oid) {
    match leaf {
        Leaf::Blob(id) => ("100644", id),
        Leaf::Commit(id) => ("160000", id),
    }
}

fn tree_by_git(scratch: &TestRepository, files: &BTreeMap<String, Leaf>) -> Oid {
    let files: Vec<_> = files
        .iter()
        .map(|(path, leaf)| {
            let (mode, id) = mode(*leaf);
            (mode, path.clone(), id)
        })
        .collect();
    scratch.tree(&files)
}

/// Checks whether two paths exclude each other: one is a folder of the other.
fn clash(left: &str, right: &str) -> bool {
    left.starts_with(&format!("{right}/")) || right.starts_with(&format!("{left}/"))
}

/// An edited tree has the id of the tree that git makes of the same files: the server compares ids.
#[test]
fn edits_equal_git() {
    for format in ["sha1", "sha256"] {
        let scratch = TestRepository::new(&["--object-format", format]);
        let repository = scratch.open();
        let blobs: Vec<_> = (0..5_u8)
            .map(|n| repository.write_blob(&[n]).unwrap())
            .collect();
        let (mut numbers, mut files, mut tree) =
            (SeededRandom(7), BTreeMap::<String, Leaf>::new(), None);
        for round in 0..60 {
            let mut edits: BTreeMap<String, Option<Leaf>> = BTreeMap::new();
            for _ in 0..=numbers.below(6) {
                let path = random_path(&mut numbers);
                let id = *numbers.pick(&blobs);
                let leaf = match numbers.below(5) {
                    0 | 1 => None,
                    2 => Some(Leaf::Commit(id)),
                    _ => Some(Leaf::Blob(id)),
                };
                let is_free = files
                    .keys()
                    .chain(edits.keys())
                    .all(|other| !clash(&path, other));
                if leaf.is_none() && edits.keys().all(|other| !clash(&path, other)) || is_free {
                    edits.insert(path, leaf);
                }
            }
            for (path, leaf) in &edits {
                files.retain(|other, _| {
                    !(other == path || leaf.is_none() && other.starts_with(&format!("{path}/")))
                });
                files.extend(leaf.map(|leaf| (path.clone(), leaf)));
            }
            let list: Vec<_> = edits
                .iter()
                .map(|(path, leaf)| (path.as_str(), *leaf))
                .collect();
            let (computed, _) = repository.compute_edited_tree(tree, &list).unwrap();
            let written = repository.write_edited_tree(tree, &list).unwrap();
            assert_eq!(computed, written);
            assert_eq!(
                written,
                tree_by_git(&scratch, &files),
                "round {round}: {edits:?}"
            );
            let listed: BTreeMap<_, _> = repository
                .list_tree(written, "", 1_000)
                .unwrap()
                .into_iter()
                .collect();
            assert_eq!(listed, files);
            if let Some((path, leaf)) = files.first_key_value() {
                assert_eq!(
                    repository.item_at(written, path).unwrap(),
                    Some(TreeItem::Leaf(*leaf))
                );
            }
            tree = Some(written);
        }
        scratch.fsck();
    }
}

/// Edits that contradict the tree or each other are errors.
#[test]
fn contradicting_edits() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let id = repository.write_blob(b"x").unwrap();
    let tree = repository
        .write_edited_tree(None, &[("a/b", file(id)), ("c", file(id))])
        .unwrap();
    for edits in [
        &[("a", file(id))][..],
        &[("c/d", file(id))],
        &[("d", file(id)), ("d", file(id))],
        &[("d", None), ("d", file(id))],
        &[("d", file(id)), ("d/e", file(id))],
    ] {
        assert!(
            matches!(
                repository.compute_edited_tree(Some(tree), edits),
                Err(Error::InvalidPath { .. })
            ),
            "{edits:?}"
        );
    }
    // One call can empty and refill a folder. Removing a missing path has no effect, and removing
    // everything leaves the empty tree.
    let refilled = repository
        .write_edited_tree(
            Some(tree),
            &[("a", None), ("a/c", file(id)), ("c/d", None), ("x", None)],
        )
        .unwrap();
    assert_eq!(
        refilled,
        repository
            .write_edited_tree(None, &[("a/c", file(id)), ("c", file(id))])
            .unwrap()
    );
    let emptied = repository
        .write_edited_tree(Some(tree), &[("a/b", None), ("c", None)])
        .unwrap();
    assert_eq!(emptied, repository.hash_kind().empty_tree());
    assert!(matches!(
        repository.list_tree(tree, "", 1),
        Err(Error::Corrupt { .. })
    ));
}

/// Paths that would leave the tree, or become git's own folder in a checkout, are refused.
#[test]
fn hostile_paths() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let id = repository.write_blob(b"x").unwrap();
    let long = "a/".repeat(600) + "b";
    for path in [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../x",
        "a/../b",
        ".git",
        ".GIT/config",
        "a/.Git",
        "git~1",
        "a\\b",
        "a b",
        "a\0b",
        "ä",
        ".g\u{200c}it",
        "--upload-pack=x/ y",
        &long,
    ] {
        assert!(
            matches!(
                repository.write_edited_tree(None, &[(path, file(id))]),
                Err(Error::InvalidPath { .. })
            ),
            "{path:?}"
        );
        assert!(
            repository
                .item_at(repository.hash_kind().empty_tree(), path)
                .is_err(),
            "{path:?}"
        );
    }
}

/// A forged tree can be neither edited nor listed.
#[test]
fn forged_trees() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let id = repository.write_blob(b"x").unwrap();
    let entry =
        |mode: &str, name: &str| [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat();
    for raw in [
        entry("100755", "a"),
        entry("120000", "a"),
        entry("100644", ".."),
        entry("100644", "a/b"),
        entry("100644", ""),
        [entry("100644", "b"), entry("100644", "a")].concat(),
        [entry("100644", "a"), entry("100644", "a")].concat(),
        entry("100644", "a")[..20].to_vec(),
        b"100644 a".to_vec(),
    ] {
        let tree = repository.write_tree(&raw).unwrap();
        assert!(
            matches!(
                repository.compute_edited_tree(Some(tree), &[("z", None)]),
                Err(Error::Corrupt { .. })
            ),
            "{raw:?}"
        );
        assert!(repository.list_tree(tree, "", 10).is_err());
    }
}

/// Component paths given by prefixes, plus the files that belong to every component.
struct Prefixes(&'static [&'static str]);

impl ComponentPaths for Prefixes {
    fn classify_folder(&self, path: &[u8]) -> Coverage {
        let path = std::str::from_utf8(path).unwrap();
        if self
            .0
            .iter()
            .any(|prefix| path == *prefix || path.starts_with(&format!("{prefix}/")))
        {
            Coverage::Whole
        } else if path.is_empty()
            || self
                .0
                .iter()
                .any(|prefix| prefix.starts_with(&format!("{path}/")))
        {
            Coverage::Descend
        } else {
            Coverage::Nothing
        }
    }

    fn classify_file(&self, path: &[u8], _: bool) -> FileOwnership {
        let path = std::str::from_utf8(path).unwrap();
        match path {
            ".gitattributes" | ".gitmodules" => FileOwnership::WithNeighbours,
            path if self.0.contains(&path) => FileOwnership::Owned,
            _ => FileOwnership::Outside,
        }
    }
}

/// The content of a component is the tree that git makes of its files alone, so ids are equal
/// exactly when the bytes are.
#[test]
fn content_equals_git() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let id = repository.write_blob(b"x").unwrap();
    let all: Vec<(&str, String, Oid)> = [
        ("100644", ".gitattributes"),
        ("100755", "api/run.sh"),
        ("120000", "api/link"),
        ("160000", "api/vendor/lib"),
        ("100644", "api/ü/ö.txt"),
        ("100644", "api-docs/a"),
        ("100644", "libs/x/a"),
        ("100644", "libs/x-y/a"),
        ("100644", "libs/y/a"),
        ("100644", "README"),
    ]
    .map(|(mode, path)| (mode, path.to_owned(), id))
    .into();
    let tree = scratch.tree(&all);
    for (prefixes, owned) in [
        (&["api"][..], &["api/", ".gitattributes"][..]),
        (&["api", "libs/x"], &["api/", "libs/x/", ".gitattributes"]),
        (
            &["libs/x-y", "README"],
            &["libs/x-y/", "README", ".gitattributes"],
        ),
    ] {
        let expected: Vec<_> = all
            .iter()
            .filter(|(_, path, _)| owned.iter().any(|prefix| path.starts_with(prefix)))
            .cloned()
            .collect();
        let content = repository
            .compute_content(tree, &Prefixes(prefixes))
            .unwrap()
            .unwrap();
        assert_eq!(content.0, scratch.tree(&expected), "{prefixes:?}");
    }
    assert_eq!(
        repository
            .compute_content(tree, &Prefixes(&[""]))
            .unwrap()
            .unwrap()
            .0,
        tree
    );
    // A component does not exist if the commit has only shared files.
    assert_eq!(
        repository
            .compute_content(tree, &Prefixes(&["web"]))
            .unwrap(),
        None
    );
    assert_eq!(
        repository
            .compute_content(tree, &Prefixes(&["api/run"]))
            .unwrap(),
        None
    );
}

/// Paths that make every folder be searched.
struct EveryFolder;

impl ComponentPaths for EveryFolder {
    fn classify_folder(&self, _: &[u8]) -> Coverage {
        Coverage::Descend
    }
    fn classify_file(&self, path: &[u8], _: bool) -> FileOwnership {
        if path.ends_with(b"0/f") {
            FileOwnership::Owned
        } else {
            FileOwnership::Outside
        }
    }
}

/// Computing content writes nothing, and a tree bomb leads to an error, not to exhausted memory.
#[test]
fn content_is_bounded_and_writes_nothing() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let id = repository.write_blob(b"x").unwrap();
    let entry = |mode: &str, name: &str, id: Oid| {
        [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat()
    };
    let mut tree = repository.write_tree(&entry("100644", "f", id)).unwrap();
    // Ten times ten times ten … files, in a few objects.
    for _ in 0..9 {
        let raw: Vec<_> = (0..10)
            .flat_map(|n| entry("40000", &n.to_string(), tree))
            .collect();
        tree = repository.write_tree(&raw).unwrap();
    }
    assert!(matches!(
        repository.compute_content(tree, &EveryFolder),
        Err(Error::LimitExceeded { .. })
    ));
    let small = [entry("100644", "f", id), entry("100644", "g", id)].concat();
    let mut deep = repository
        .write_tree(&entry("40000", "0", repository.write_tree(&small).unwrap()))
        .unwrap();
    let before = scratch.git(&["count-objects"]);
    assert!(
        repository
            .compute_content(deep, &EveryFolder)
            .unwrap()
            .is_some_and(|content| content.0 != deep)
    );
    assert_eq!(before, scratch.git(&["count-objects"]));
    for _ in 0..300 {
        deep = repository.write_tree(&entry("40000", "d", deep)).unwrap();
    }
    assert!(matches!(
        repository.compute_content(deep, &EveryFolder),
        Err(Error::LimitExceeded { .. })
    ));
    // An empty folder, which git never stores, makes no component either.
    let forged = repository
        .write_tree(&entry("40000", "api", repository.hash_kind().empty_tree()))
        .unwrap();
    assert_eq!(
        repository
            .compute_content(forged, &Prefixes(&["api"]))
            .unwrap(),
        None
    );
}

/// A tree that git and other programs read differently has no content: otherwise a folder could be
/// hidden from the rules, or a file be checked out that they did not see.
#[test]
fn ambiguous_trees_have_no_content() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let blob = repository.write_blob(b"x").unwrap();
    let entry = |mode: &str, name: &str, id: Oid| {
        [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat()
    };
    let folder = repository.write_tree(&entry("100644", "0", blob)).unwrap();
    let good = repository
        .write_tree(&[entry("40000", "a", folder), entry("100664", "b", blob)].concat())
        .unwrap();
    repository.compute_content(good, &EveryFolder).unwrap();
    for mode in [
        "40755", "40001", "47777", "240000", "1040000", "0", "644", "100600", "060000", "170000",
    ] {
        let tree = repository.write_tree(&entry(mode, "a", folder)).unwrap();
        assert!(
            repository.compute_content(tree, &EveryFolder).is_err(),
            "{mode}"
        );
    }
    let (a, b) = (entry("40000", "a", folder), entry("40000", "b", folder));
    for raw in [
        [b.clone(), a.clone()].concat(),
        [a.clone(), a.clone()].concat(),
        [entry("100644", "a", blob), a.clone()].concat(),
        [
            entry("100644", "a", blob),
            entry("100644", "a.x", blob),
            a.clone(),
        ]
        .concat(),
        [entry("100644", "a/0", blob), b.clone()].concat(),
    ] {
        let tree = repository.write_tree(&raw).unwrap();
        assert!(
            repository.compute_content(tree, &EveryFolder).is_err(),
            "{raw:?}"
        );
    }
}

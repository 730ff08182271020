//! Git is the oracle: a component's files are those that git's own path matching finds, and their
//! bytes those that git checks out.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{CheckoutError, check_files};
use crate::domain::id::Oid;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::git::Repository;
use crate::git::content::ComponentFile;
use crate::git::tests::{SeededRandom, TestRepository};
use crate::ledger::facts::PolicyComponent;

const POLICY: &str = r#"
    schema = 1
    project = "catalogue"
    shared = ["tools/**", "lock"]
    [people]
    alice = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
    [environments]
    dev = {}
    [components]
    api = { paths = ["api/**", "lib/a"] }
    tf = { paths = "**/*.tf" }
    services = { paths = "services/*/deploy.sh" }
    plugins = { paths = ["plugins/**", "*.cfg"] }
"#;

/// The patterns of each component, those of `shared` apart.
const PATTERNS: [(&str, &[&str]); 4] = [
    ("api", &["api/**", "lib/a"]),
    ("tf", &["**/*.tf"]),
    ("services", &["services/*/deploy.sh"]),
    ("plugins", &["plugins/**", "*.cfg"]),
];
const SHARED: [&str; 2] = ["tools/**", "lock"];

const PLACES: [&str; 24] = [
    ".gitattributes",
    "API/x.tf",
    "README",
    "api",
    "api/.gitattributes",
    "api/main",
    "api/sub/.gitattributes",
    "api/sub/x.tf",
    "docs",
    "docs/.gitmodules",
    "docs/deep/y.tf",
    "lib/a",
    "lib/a/b",
    "lib/c",
    "lock",
    "main.cfg",
    "plugins",
    "plugins/p",
    "services",
    "services/.gitattributes",
    "services/one",
    "services/one/deploy.sh",
    "services/two/deploy.sh",
    "tools/t",
];

struct Generated {
    tree: Oid,
    files: Vec<(&'static str, String, Oid)>,
}

/// Makes trees with every kind of entry, among them files in the place of folders.
fn generate(scratch: &TestRepository, count: usize) -> Vec<Generated> {
    let blob = |text: &str| {
        let file = scratch.sibling_path("blob");
        std::fs::write(&file, text).unwrap();
        scratch.oid(&["hash-object", "-w", "--no-filters", file.to_str().unwrap()])
    };
    let attributes = [
        "* text eol=crlf\n",
        "*.tf ident\n",
        "* filter=shout\n",
        "x.tf -text\n",
    ]
    .map(blob);
    let texts = ["one\ntwo\n", "$Id$\n", "a\r\nb\n"].map(blob);
    let links = ["../docs", "one", "api/main"].map(blob);
    let mut numbers = SeededRandom(11);
    let mut all = Vec::new();
    for _ in 0..count {
        let mut files: Vec<(&'static str, String, Oid)> = Vec::new();
        for place in PLACES {
            let clash = |(_, other, _): &(&str, String, Oid)| {
                place
                    .strip_prefix(other.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            if numbers.below(3) == 0 || files.iter().any(clash) {
                continue;
            }
            let settings = place.ends_with(".gitattributes") || place.ends_with(".gitmodules");
            let (mode, id) = match numbers.below(8) {
                _ if settings => ("100644", *numbers.pick(&attributes)),
                0 => ("120000", *numbers.pick(&links)),
                1 => ("160000", texts[0]),
                2 => ("100755", *numbers.pick(&texts)),
                _ => ("100644", *numbers.pick(&texts)),
            };
            files.push((mode, place.to_owned(), id));
        }
        let tree = scratch.tree(&files);
        all.push(Generated { tree, files });
    }
    all
}

fn list_files(
    repository: &Repository,
    policy: &Policy,
    name: &str,
    tree: Oid,
) -> Vec<ComponentFile> {
    let paths = PolicyComponent::new(policy, &name.parse::<ComponentName>().unwrap());
    repository.list_component_files(tree, &paths).unwrap()
}

/// Returns the paths that git finds for patterns in the index that [`TestRepository::tree`] left behind.
fn git_matches(scratch: &TestRepository, patterns: &[String]) -> BTreeSet<String> {
    if patterns.is_empty() {
        return BTreeSet::new();
    }
    let mut command = crate::git::tests::plain_git(&scratch.path);
    command
        .args(["ls-files", "--cached", "-z", "--"])
        .args(patterns)
        .env("GIT_INDEX_FILE", scratch.sibling_path("index"));
    crate::git::tests::run(command, b"")
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the files, apart from git's settings, that belong to patterns: those that git matches,
/// and those in the place of a folder on the way to one.
fn expect_files(scratch: &TestRepository, tree: &Generated, patterns: &[&str]) -> BTreeSet<String> {
    let globs: Vec<String> = patterns.iter().map(|it| format!(":(glob){it}")).collect();
    let mut expected = git_matches(scratch, &globs);
    for pattern in patterns {
        for (end, _) in pattern.match_indices('/') {
            let above = &pattern[..end];
            if above.contains("**") {
                break;
            }
            let found = git_matches(scratch, &[format!(":(glob){above}")]);
            let literal = !above.contains('*');
            expected.extend(tree.files.iter().filter_map(|(mode, path, _)| {
                let same = path == above
                    || found.contains(path)
                        && path.matches('/').count() == above.matches('/').count();
                let link = matches!(*mode, "120000" | "160000");
                (same && (literal || link)).then(|| path.clone())
            }));
        }
    }
    expected
}

/// A component's files are exactly those that git matches, those that stand in the way of a pattern,
/// and the settings of the folders above. The content is the tree that git makes of them.
#[test]
fn files_are_those_that_git_matches() {
    let (scratch, policy) = (TestRepository::bare(), Policy::parse(POLICY).unwrap());
    let trees = generate(&scratch, 60);
    let repository = scratch.open();
    let mut seen = BTreeMap::new();
    for tree in &trees {
        for (name, patterns) in PATTERNS {
            // The index of the tree, for git.
            assert_eq!(scratch.tree(&tree.files), tree.tree);
            let owned = expect_files(&scratch, tree, patterns);
            let mut expected = expect_files(&scratch, tree, &SHARED);
            expected.extend(owned.iter().cloned());
            let above = |settings: &str| {
                let (folder, _) = settings.rsplit_once('/').unwrap_or_default();
                let below = if folder.is_empty() {
                    String::new()
                } else {
                    format!("{folder}/")
                };
                expected.iter().any(|path| path.starts_with(&below))
            };
            let settings: Vec<String> = tree
                .files
                .iter()
                .filter(|(_, path, _)| {
                    (path.ends_with(".gitattributes") || path.ends_with(".gitmodules"))
                        && above(path)
                })
                .map(|(_, path, _)| path.clone())
                .collect();
            expected.extend(settings);
            let found: BTreeSet<String> = list_files(&repository, &policy, name, tree.tree)
                .into_iter()
                .map(|file| String::from_utf8(file.path).unwrap())
                .collect();
            assert_eq!(found, expected, "{name}");
            let paths = PolicyComponent::new(&policy, &name.parse().unwrap());
            let content = repository.compute_content(tree.tree, &paths).unwrap();
            let kept: Vec<_> = tree
                .files
                .iter()
                .filter(|(_, path, _)| expected.contains(path))
                .cloned()
                .collect();
            let whole = (!owned.is_empty()).then(|| scratch.tree(&kept));
            assert_eq!(content.map(|content| content.0), whole, "{name}");
            *seen.entry((name, whole.is_some())).or_insert(0) += 1;
        }
    }
    // Each component was there and, but for the one that is everywhere, absent.
    assert!(seen.len() >= 7, "{seen:?}");
}

/// Reads a folder: for each file its mode and bytes, for each link its target.
fn read_folder(root: &Path) -> BTreeMap<String, (bool, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for found in walkdir::WalkDir::new(root) {
        let found = found.unwrap();
        let path = found
            .path()
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if found.file_type().is_symlink() {
            let target = std::fs::read_link(found.path()).unwrap();
            all.insert(path, (false, target.to_str().unwrap().into()));
        } else if found.file_type().is_file() {
            let executable = found.metadata().unwrap().permissions().mode() & 0o100 != 0;
            all.insert(path, (executable, std::fs::read(found.path()).unwrap()));
        }
    }
    all
}

/// Two commits of equal content give byte-identical checkouts, and these hold the bytes of git's own
/// checkout of the whole commit, whatever the machine's settings are.
#[test]
fn equal_content_means_equal_bytes() {
    let (scratch, policy) = (TestRepository::bare(), Policy::parse(POLICY).unwrap());
    let trees = generate(&scratch, 40);
    let mut by_git = Vec::new();
    for tree in &trees {
        let folder = tempfile::tempdir().unwrap();
        let index = scratch.sibling_path("whole");
        let _ = std::fs::remove_file(&index);
        for args in [
            vec!["read-tree".to_owned(), tree.tree.to_string()],
            vec!["checkout-index".to_owned(), "--all".to_owned()],
        ] {
            let mut command = crate::git::tests::plain_git(folder.path());
            command
                .args(args)
                .env("GIT_DIR", &scratch.path)
                .env("GIT_WORK_TREE", folder.path())
                .env("GIT_INDEX_FILE", &index);
            crate::git::tests::run(command, b"");
        }
        by_git.push(read_folder(folder.path()));
    }
    for (key, value) in [
        ("core.autocrlf", "true"),
        ("core.eol", "crlf"),
        ("core.symlinks", "false"),
        ("filter.shout.smudge", "tr a-z A-Z"),
        ("filter.shout.required", "true"),
    ] {
        scratch.git(&["config", key, value]);
    }
    std::fs::create_dir_all(scratch.path.join("info")).unwrap();
    std::fs::write(
        scratch.path.join("info/attributes"),
        "* text eol=crlf filter=shout\n",
    )
    .unwrap();
    let repository = scratch.open();
    let writer = repository.file_writer(&scratch.path).unwrap();
    let mut by_content: BTreeMap<_, BTreeMap<String, (bool, Vec<u8>)>> = BTreeMap::new();
    let mut repeated = 0;
    for (tree, whole) in trees.iter().zip(&by_git) {
        for (name, _) in PATTERNS {
            let files = list_files(&repository, &policy, name, tree.tree);
            let folder = tempfile::tempdir().unwrap();
            writer.write_files(&files, folder.path()).unwrap();
            let written = read_folder(folder.path());
            for (path, bytes) in &written {
                assert_eq!(Some(bytes), whole.get(path), "{name} {path}");
            }
            let expected = files.iter().filter(|file| !file.is_submodule()).count();
            assert_eq!(written.len(), expected);
            let paths = PolicyComponent::new(&policy, &name.parse().unwrap());
            let Some(content) = repository.compute_content(tree.tree, &paths).unwrap() else {
                continue;
            };
            if let Some(before) = by_content.insert(content, written.clone()) {
                assert_eq!(before, written, "{name}");
                repeated += 1;
            }
        }
    }
    assert!(repeated > 0, "no content came twice");
}

/// Returns files with these modes and paths; each link with a target.
fn sample(entries: &[(&str, &str)]) -> (Vec<ComponentFile>, BTreeMap<Vec<u8>, Vec<u8>>) {
    let id: Oid = "0123456789012345678901234567890123456789".parse().unwrap();
    let (mut files, mut links) = (Vec::new(), BTreeMap::new());
    for (path, kind) in entries {
        let mode = match *kind {
            "file" => "100644",
            "submodule" => "160000",
            target => {
                links.insert(path.as_bytes().to_vec(), target.as_bytes().to_vec());
                "120000"
            }
        };
        files.push(ComponentFile {
            path: path.as_bytes().to_vec(),
            mode: mode.as_bytes().to_vec(),
            id,
        });
    }
    (files, links)
}

/// The targets of all links are kept in memory, so a link with a large one is refused.
#[test]
fn link_targets_are_bounded() {
    let scratch = TestRepository::bare();
    let repository = scratch.open();
    let writer = std::sync::Arc::new(repository.file_writer(&scratch.path).unwrap());
    for (length, is_accepted) in [(100, true), (16 << 10, true), ((16 << 10) + 1, false)] {
        let mut command = crate::git::tests::plain_git(&scratch.path);
        command.args(["hash-object", "-w", "--stdin"]);
        let id = crate::git::tests::run(command, &vec![b'x'; length]);
        let link = ComponentFile {
            path: b"a/link".to_vec(),
            mode: b"120000".to_vec(),
            id: id.trim().parse().unwrap(),
        };
        let checkout = super::ComponentCheckout::new(
            &repository,
            std::sync::Arc::clone(&writer),
            vec![link],
            false,
            "unused".into(),
        );
        assert_eq!(checkout.is_ok(), is_accepted, "{length}");
    }
}

/// A checkout holds the component on every disk, and nothing in it leads out of it.
#[test]
fn what_cannot_be_checked_out() {
    let inside: [&[(&str, &str)]; 4] = [
        &[("a/x", "file"), ("a/y", "x"), ("b", "a")],
        &[("a/x", "file"), ("a/b/y", "../x"), ("l", "a/b/../x")],
        &[("a/x", "file"), ("to", "a"), ("then", "to/x")],
        &[("a/x", "file"), ("a/self", ".")],
    ];
    for entries in inside {
        let (files, links) = sample(entries);
        check_files(&files, &links, false).unwrap();
    }
    let outside: [&[(&str, &str)]; 7] = [
        &[("a/x", "file"), ("a/y", "../../etc")],
        &[("a/x", "file"), ("a/y", "/etc/passwd")],
        &[("a/x", "file"), ("a/y", "../b")],
        &[("a/x", "file"), ("a/loop", "loop")],
        // Only through another link does it lead out.
        &[
            ("a/b/x", "file"),
            ("deep", "a/b"),
            ("out", "deep/../../../x"),
        ],
        &[("a/x", "file"), ("a/y", "x/../x/z")],
        &[("a/x", "file"), ("a/y", "missing")],
    ];
    for entries in outside {
        let (files, links) = sample(entries);
        let refused = check_files(&files, &links, false);
        assert!(
            matches!(refused, Err(CheckoutError::LinkLeavesComponent { .. })),
            "{entries:?}: {refused:?}"
        );
    }
    for names in [
        ["a/x", "A/y"],
        ["a/straße", "a/STRASSE"],
        ["a/É", "a/é"],
        ["x", "X"],
    ] {
        let (files, links) = sample(&names.map(|name| (name, "file")));
        let refused = check_files(&files, &links, false);
        assert!(
            matches!(refused, Err(CheckoutError::CaseCollision(..))),
            "{names:?}: {refused:?}"
        );
    }
    let (files, links) = sample(&[("a/x", "file"), ("a/vendor", "submodule")]);
    let refused = check_files(&files, &links, false);
    assert!(matches!(refused, Err(CheckoutError::Submodule(path)) if path == "a/vendor"));
    check_files(&files, &links, true).unwrap();
}

/// A path is refused if and only if git, with all its protections, does not add it to an index.
#[test]
fn paths_that_git_does_not_check_out() {
    let scratch = TestRepository::bare();
    let id = scratch.oid(&["hash-object", "-w", "-t", "blob", "/dev/null"]);
    let mut names: Vec<String> = [
        "",
        ".",
        "..",
        "...",
        "x",
        "git",
        ".gi",
        ".gitx",
        ".git.x",
        ".git",
        ".GIT",
        ".Git.",
        ".git ",
        ".git . .",
        ".git:x",
        ".git::$INDEX_ALLOCATION",
        "git~1",
        "GIT~1",
        "git~1.",
        "git~1:x",
        "git~2",
        "git~11",
        ".g\u{200c}it",
        ".gi\u{200d}T",
        "\u{feff}.git",
        "\u{202e}.g\u{206f}it",
        ".g\u{200b}it",
        ".gıt",
        "a\\.git",
        "a\\GIT~1",
        ".git\\x",
        "a\\..",
        "..\\..\\x",
        "\\x",
        "a\\\\b",
        "a:b",
        "con",
        "aux.txt",
        "x ",
        "x.",
        ".gitmodules",
        ".GITMODULES ",
        "gitmod~1",
        "gi7eba~1",
        ".gitm\u{200c}odules",
        ".gitattributes",
        "\n",
        "-x",
        "\u{1b}[2J",
    ]
    .map(str::to_owned)
    .into();
    names.push(format!("{}.git", "\u{200c}".repeat(9)));
    // Whether a link's folder may be named .gitmodules, git does not answer the same for every spelling.
    let places = [
        ("NAME", "100644"),
        ("a/NAME", "100644"),
        ("NAME/x", "100644"),
        ("a/NAME/b", "100644"),
        ("NAME", "120000"),
        ("a/NAME", "120000"),
    ];
    let mut refused_count = 0;
    for name in &names {
        for (place, mode) in places {
            let path = place.replace("NAME", name);
            let index = scratch.sibling_path("index");
            let _ = std::fs::remove_file(&index);
            let git = |arguments: &[&str], input: &[u8]| {
                let mut command = crate::git::tests::plain_git(&scratch.path);
                command
                    .args(["-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"])
                    .args(arguments)
                    .env("GIT_INDEX_FILE", &index);
                crate::git::tests::run(command, input)
            };
            let line = format!("{mode} {id}\t{path}\0");
            git(&["update-index", "-z", "--index-info"], line.as_bytes());
            let is_accepted = git(&["ls-files", "-z"], b"") == format!("{path}\0");
            let file = ComponentFile {
                path: path.clone().into_bytes(),
                mode: mode.as_bytes().to_vec(),
                id,
            };
            let refused = check_files(&[file], &BTreeMap::new(), false);
            let is_refused = matches!(refused, Err(CheckoutError::RefusedPath { .. }));
            assert_eq!(is_refused, !is_accepted, "{mode} {path:?}: {refused:?}");
            refused_count += usize::from(is_refused);
        }
    }
    assert!(refused_count > 100, "git refused only {refused_count}");
}

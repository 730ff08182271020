//! Refs whose files are malformed, in an old clone, a fresh one, a mirror and on the server: each is
//! named with a command that removes it, stops only what needs that ledger, and is gone for good
//! after the command was typed.

mod packed_refs;
mod unreadable_folders;

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::harness::{Project, Repo, World};

const POLICY: &str = "[environments]\ndev = {}\nlab = {}\n";

/// Makes a malformed file for a ref of this name.
type Corrupt = fn(&Path, &str);

/// The ways in which a ref can be broken.
const KINDS: [(&str, Corrupt); 9] = [
    ("other text", |file, _| write(file, "garbage text\n")),
    ("empty", |file, _| write(file, "")),
    ("a truncated id", |file, _| write(file, "d40ebe546592da0c")),
    ("an id and text", |file, _| {
        write(file, &format!("{}x\n", "1".repeat(40)));
    }),
    ("a symbolic ref to nowhere", |file, _| {
        write(file, "ref: refs/heads/nowhere\n");
    }),
    ("a symbolic ref to itself", |file, name| {
        write(file, &format!("ref: {name}\n"));
    }),
    ("the id of a missing object", |file, _| {
        write(file, &"1".repeat(40));
    }),
    ("an id of zeros", |file, _| write(file, &"0".repeat(40))),
    ("a link to another file", |file, _| {
        std::os::unix::fs::symlink("/etc/passwd", file).unwrap();
    }),
];

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

/// Which kind of repository has the broken ref.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    OldClone,
    FreshClone,
    Mirror,
}

/// A project with two ledgers that do not depend on each other.
fn project(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    for ledger in ["dev", "lab"] {
        project.ci.deploy(&["record", ledger, "--all"]).ok();
    }
    project.bob.deploy(&["sync"]).ok();
    project
}

/// Makes a copy of a repository, so that every row begins with the same refs.
fn copy<'w>(project: &Project<'w>, from: &str, number: usize) -> Repo<'w> {
    let folder = format!("row-{number}-{from}");
    let root = project.world.existing(".", "bob");
    root.run("cp", &["-R", from, &folder]).ok();
    project.world.existing(folder, "bob")
}

fn make_clone<'w>(project: &Project<'w>, place: Place, number: usize) -> Repo<'w> {
    let options: &[&str] = match place {
        Place::OldClone => return copy(project, "bob", number),
        Place::FreshClone => &["-c", "remote.origin.fetch=+refs/deploy/*:refs/deploy/*"],
        Place::Mirror => &["--mirror"],
    };
    let folder = format!("row-{number}");
    let clone = project.world.existing(&folder, "bob");
    std::fs::create_dir(clone.path()).unwrap();
    let url = project.server.url();
    clone
        .git(&[&["clone", "-q"], options, &[&*url, "."]].concat())
        .ok();
    clone
}

/// Breaks a ref of a repository.
fn break_ref(repo: &Repo<'_>, name: &str, corrupt: Corrupt) {
    // A packed ref would still be there afterwards.
    let _ = repo.git(&["update-ref", "--no-deref", "-d", name]);
    let file = git_folder(repo).join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    corrupt(&file, name);
}

fn git_folder(repo: &Repo<'_>) -> std::path::PathBuf {
    let inner = repo.path().join(".git");
    if inner.exists() {
        inner
    } else {
        repo.path().to_owned()
    }
}

/// Returns the commands that a message prints to remove refs.
fn removals(text: &str) -> Vec<&str> {
    let find = |line: &str| {
        [
            "rm /",
            "rm '/",
            "rm -r /",
            "find ",
            "git update-ref --no-deref -d ",
        ]
        .iter()
        .find_map(|command| line.find(command))
    };
    let lines = text.lines();
    lines
        .filter_map(|line| find(line).map(|start| &line[start..]))
        .collect()
}

/// A broken ref of a ledger stops only commands that need this ledger, which cannot tell. The
/// printed command and a sync bring the ledger back.
#[test]
fn a_broken_ledger_is_left_out_and_brought_back() {
    let world = World::new();
    let project = project(&world);
    let places = [Place::OldClone, Place::FreshClone, Place::Mirror];
    for (number, (kind, corrupt)) in KINDS.into_iter().enumerate() {
        for (index, place) in places.into_iter().enumerate() {
            let row = format!("{kind}, {place:?}");
            let clone = make_clone(&project, place, number * places.len() + index);
            break_ref(&clone, "refs/deploy/lab", corrupt);
            for command in [
                &["status"][..],
                &["log", "dev"],
                &["show"],
                &["check", "dev"],
            ] {
                let run = clone.deploy(command);
                assert!(run.succeeded(), "{row}: {run}");
                let said = run.words_of_err();
                assert!(
                    said.contains("the ref refs/deploy/lab is broken"),
                    "{row}: {run}"
                );
                assert_eq!(removals(&run.err()).len(), 1, "{row}: {run}");
            }
            let run = clone.deploy(&["log", "lab"]).fails(3);
            assert!(!run.err().contains("root:"), "{row}: {run}");
            let run = clone.deploy(&["audit"]).fails(3);
            assert!(
                run.text().contains("refs/deploy/lab is broken"),
                "{row}: {run}"
            );
            let run = clone.deploy(&["sync"]).fails(3);
            let removals = removals(&run.err()).join("\n");
            clone.run("sh", &["-c", &removals]).ok();
            clone.deploy(&["sync"]).ok();
            let run = clone.deploy(&["log", "lab"]).ok();
            assert_eq!(run.err(), "", "{row}");
        }
    }
}

/// An entry is written although a ref that it does not need is broken.
#[test]
fn other_ledgers_are_written() {
    let world = World::new();
    let project = project(&world);
    let names = [
        "refs/deploy/lab",
        "refs/deploy/junk",
        "refs/deploy/x/y",
        "refs/deploy-incoming/lab",
        "refs/notes/deploy",
        "refs/heads/junk",
        "refs/tags/junk",
        "refs/remotes/origin/junk",
    ];
    for (number, name) in names.into_iter().enumerate() {
        for (offset, (kind, corrupt)) in KINDS.into_iter().enumerate() {
            // Every kind with every name would only take time.
            if (number + offset) % 3 != 0 {
                continue;
            }
            let row = format!("{name}: {kind}");
            let clone = copy(&project, "ci", number * KINDS.len() + offset);
            break_ref(&clone, name, corrupt);
            let run = clone.deploy(&["record", "dev", "--all"]);
            assert!(run.succeeded(), "{row}: {run}");
            let run = clone.deploy(&["status"]);
            assert!(run.succeeded(), "{row}: {run}");
        }
    }
}

/// A folder in the place of a ledger's ref stops only that ledger, whatever is in it.
#[test]
fn a_folder_in_the_place_of_a_ref() {
    let world = World::new();
    let project = project(&world);
    for (number, content) in ["x.lock", "broken", "usable"].into_iter().enumerate() {
        let clone = copy(&project, "ci", number);
        break_ref(&clone, "refs/deploy/lab", |file, _| {
            std::fs::create_dir(file).unwrap();
        });
        let file = git_folder(&clone).join("refs/deploy/lab").join(content);
        let head = clone.git(&["rev-parse", "HEAD"]).ok().text();
        write(&file, if content == "usable" { &head } else { "" });
        clone.deploy(&["record", "dev", "--all"]).ok();
        let run = clone.deploy(&["sync"]).fails(3);
        let removal = removals(&run.err()).join("\n");
        assert!(removal.contains("rm -r /"), "{content}: {run}");
        clone.run("sh", &["-c", &removal]).ok();
        clone.deploy(&["sync"]).ok();
        clone.deploy(&["log", "lab"]).ok();
    }
}

/// A file whose name git does not allow for a ref is named with a command that removes it, and stops
/// nothing, although a plain `git fetch` stops at it.
#[test]
fn files_with_names_that_git_does_not_allow() {
    let world = World::new();
    let project = project(&world);
    let names: [&[u8]; 5] = [b"lab (copy)", b"it's ^", b"a..b", b"\xff~", b"a\x1bb"];
    let folders = [
        "refs/deploy",
        "refs/deploy-incoming",
        "refs/remotes/origin",
        "refs/heads",
        "refs/tags",
    ];
    let mut number = 0;
    for folder in folders {
        for name in names {
            let row = format!("{folder}: {}", name.escape_ascii());
            let clone = copy(&project, "ci", number);
            number += 1;
            let name = std::ffi::OsStr::from_bytes(name);
            let file = git_folder(&clone).join(folder).join(name);
            write(&file, "");
            for command in [&["status"][..], &["record", "dev", "--all"], &["sync"]] {
                let run = clone.deploy(command).ok();
                // Only a fetch meets the names of other refs, so only it pays for listing them all.
                let is_named = folder.starts_with("refs/deploy") || command == ["sync"];
                let count = removals(&run.err()).len();
                assert_eq!(count, usize::from(is_named), "{row}: {run}");
            }
            let run = clone.deploy(&["sync"]);
            clone
                .run("sh", &["-c", &removals(&run.err()).join("\n")])
                .ok();
            assert!(!file.exists(), "{row}: {run}");
            clone.deploy(&["sync"]).ok();
            clone.git(&["fetch", "-q"]).ok();
        }
    }
}

/// A ref at an object that is no commit stops only that ledger.
#[test]
fn a_ref_at_an_object_that_is_no_commit() {
    let world = World::new();
    let project = project(&world);
    let tag = ["tag", "-a", "-m", "x", "annotated"];
    let mut number = 0;
    for object in ["HEAD:api/x", "HEAD^{tree}", "annotated"] {
        for name in [
            "refs/deploy/lab",
            "refs/deploy/junk",
            "refs/deploy-incoming/lab",
        ] {
            let row = format!("{name}: {object}");
            let clone = copy(&project, "ci", number);
            number += 1;
            clone.git(&tag).ok();
            let id = clone.git(&["rev-parse", object]).ok().text();
            break_ref(&clone, name, |_, _| {});
            write(&git_folder(&clone).join(name), &id);
            for command in [&["status"][..], &["record", "dev", "--all"]] {
                let run = clone.deploy(command);
                assert!(run.succeeded(), "{row}: {run}");
            }
            let run = clone.deploy(&["sync"]);
            let removal = removals(&run.err()).join("\n");
            clone.run("sh", &["-c", &removal]).ok();
            clone.deploy(&["sync"]).ok();
            clone.deploy(&["log", "lab"]).ok();
        }
    }
}

/// An audit cannot tell about entries that name a ledger whose ref is broken, and accuses no ledger.
#[test]
fn an_audit_accuses_no_ledger_that_names_a_broken_one() {
    let world = World::new();
    let policy = "[environments]\ndev = {}\nprod = { promote_from = \"dev\" }\n";
    let project = Project::new(&world, policy);
    for ledger in ["dev", "prod"] {
        project.ci.deploy(&["record", ledger, "--all"]).ok();
    }
    project.bob.deploy(&["sync"]).ok();
    let report = project.bob.deploy(&["audit", "--json"]).ok().text();
    write(&world.path().join("report.json"), &report);
    for (number, (kind, corrupt)) in KINDS.into_iter().enumerate() {
        let clone = copy(&project, "bob", number);
        break_ref(&clone, "refs/deploy/dev", corrupt);
        for options in [&["audit"][..], &["audit", "--since", "../report.json"]] {
            let run = clone.deploy(options).fails(3);
            let text = run.text();
            assert!(!text.contains('✗'), "{kind}: {run}");
            assert!(text.contains("refs/deploy/dev is broken"), "{kind}: {run}");
        }
    }
}

/// A broken ref on the server is reported there with the command that removes it. Clones read the
/// other ledgers, and say that they cannot tell about this one.
#[test]
fn a_server_reports_broken_refs() {
    let world = World::new();
    let project = project(&world);
    let server = &project.server;
    for name in ["refs/deploy/lab", "refs/heads/junk"] {
        for (kind, corrupt) in KINDS {
            let tip = server.git(&["rev-parse", "--verify", "-q", name]);
            let tip = tip.succeeded().then(|| tip.text());
            break_ref(server, name, corrupt);
            let is_symbolic = kind.starts_with("a symbolic ref");
            let row = format!("{name}: {kind}");
            // A symbolic branch is usable.
            let is_reported = !is_symbolic || name.starts_with("refs/deploy/");
            let run = server.deploy(&["server", "check", "."]);
            assert_eq!(!run.succeeded(), is_reported, "{row}: {run}");
            if is_reported {
                assert!(run.text().contains(name), "{row}: {run}");
            }
            let run = server.deploy(&["status"]);
            assert!(run.succeeded(), "{row}: {run}");
            let clone = copy(&project, "bob", 0);
            let run = clone.deploy(&["sync"]);
            if name.starts_with("refs/deploy/") {
                assert!(run.words_of_err().contains("ledger lab"), "{row}: {run}");
                assert!(!run.succeeded(), "{row}: {run}");
            } else {
                assert!(run.succeeded(), "{row}: {run}");
            }
            clone.deploy(&["status"]).ok();
            std::fs::remove_dir_all(clone.path()).unwrap();
            std::fs::remove_file(server.path().join(name)).unwrap();
            if let Some(tip) = tip {
                server.git(&["update-ref", name, tip.trim()]).ok();
            }
        }
    }
    server.deploy(&["server", "check", "."]).ok();
}

/// No message quotes a file to which a file of the git folder is a link. It names the link.
#[test]
fn no_message_quotes_a_linked_file() {
    let world = World::new();
    let project = project(&world);
    write(&world.path().join("private"), "secret words\n");
    let files = [
        "HEAD",
        "commondir",
        "config",
        "packed-refs",
        "shallow",
        "objects/info/alternates",
    ];
    for (number, file) in files.into_iter().enumerate() {
        let clone = copy(&project, "bob", number);
        clone.git(&["pack-refs", "--all"]).ok();
        let path = clone.path().join(".git").join(file);
        let _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(world.path().join("private"), &path).unwrap();
        for command in ["status", "sync", "audit", "check"] {
            let run = clone.deploy(&[command]);
            assert!(!run.succeeded(), "{file}: {run}");
            assert!(run.words_of_err().contains(file), "{file}: {run}");
            assert!(!run.to_string().contains("secret"), "{file}: {run}");
        }
    }
    // `git new-workdir` links to the same file of another repository.
    let clone = copy(&project, "bob", files.len());
    let config = clone.path().join(".git/config");
    let other = world.path().join("config");
    std::fs::rename(&config, &other).unwrap();
    std::os::unix::fs::symlink(&other, &config).unwrap();
    clone.deploy(&["status"]).ok();
}

/// A mirror clone counts its own branches, which git itself keeps up to date, also after a sync.
#[test]
fn a_mirror_counts_its_own_branches() {
    let world = World::new();
    let project = project(&world);
    let mirror = make_clone(&project, Place::Mirror, 0);
    mirror.deploy(&["sync"]).ok();
    project.push("api/x", "two\n");
    mirror.git(&["fetch", "-q"]).ok();
    let status = |repo: &Repo<'_>| repo.deploy(&["status", "--json"]).ok().json();
    let behind = &status(&mirror)["environments"][0]["components"][0]["behind"]["commits"];
    assert_eq!(behind, 1, "{}", status(&mirror));
    project.push("api/x", "three\n");
    mirror.deploy(&["sync"]).ok();
    let behind = &status(&mirror)["environments"][0]["components"][0]["behind"]["commits"];
    assert_eq!(behind, 2, "{}", status(&mirror));
}

//! Junk refs, notes, missing objects, and refs and files that change what git shows.

use std::fmt::Write as _;

use super::table::{Lab, Row};
use crate::harness::Repo;

/// Returns the rows.
pub fn rows() -> Vec<Row> {
    [junk(), notes(), missing(), shown()].concat()
}

/// Names that no ledger has.
const JUNK: [(&str, &[&str]); 8] = [
    ("refs/deploy/x/y", &["refs/deploy/x/y"]),
    ("refs/deploy/Prod", &["refs/deploy/Prod"]),
    ("refs/deploy/-x", &["refs/deploy/-x"]),
    ("refs/deploy/$(touch%20x)", &["refs/deploy/$(touch%20x)"]),
    ("refs/deploy/a'b", &["refs/deploy/a'b"]),
    ("refs/deploy/a;b|c", &["refs/deploy/a;b|c"]),
    ("refs/deploy/prod.x/y/z", &["refs/deploy/prod.x/y/z"]),
    ("refs/deploy/prød", &["refs/deploy/prød"]),
];

fn junk() -> Vec<Row> {
    let mut rows: Vec<Row> = JUNK
        .into_iter()
        .map(|(name, flags)| {
            Row::new(format!("junk: {name}"), flags, move |lab, server| {
                lab.put(server, name, &lab.rev("refs/heads/main"));
            })
        })
        .collect();
    // The name of a ledger that does not exist, with anything but a ledger.
    let kinds: [(&str, &str); 3] = [
        ("a code commit", "refs/heads/main"),
        ("a tree", "refs/heads/main^{tree}"),
        ("a blob", "refs/heads/main:api/x"),
    ];
    for (what, revision) in kinds {
        let name = format!("junk: refs/deploy/nowhere is {what}");
        rows.push(Row::new(name, &["nowhere"], move |lab, server| {
            lab.put(server, "refs/deploy/nowhere", &lab.rev(revision));
        }));
    }
    rows.push(Row::new(
        "junk: several at once",
        &["refs/deploy/x/y", "refs/deploy/Prod", "nowhere"],
        |lab, server| {
            for name in ["x/y", "Prod", "nowhere"] {
                let name = format!("refs/deploy/{name}");
                lab.put(server, &name, &lab.rev("refs/heads/main"));
            }
        },
    ));
    rows
}

fn notes() -> Vec<Row> {
    let alter = |lab: &Lab<'_>, server: &Repo<'_>| {
        let head = lab.rev("refs/heads/main");
        let message = "2026-03-05T10:00:00Z  deployed  prod  demo  by alice  prod@0000000000";
        server
            .git(&["notes", "--ref=deploy", "add", "-f", "-m", message, &head])
            .ok();
    };
    vec![
        Row::new("notes: a line is replaced", &["notes"], alter),
        Row::new("notes: deleted", &["notes"], |_, server| {
            server.git(&["update-ref", "-d", "refs/notes/deploy"]).ok();
        })
        // A clone that never had any cannot know of them.
        .in_fresh(&[]),
        Row::new("notes: lead to code", &["notes"], |lab, server| {
            lab.put(server, "refs/notes/deploy", &lab.rev("refs/heads/main"));
        }),
        Row::new(
            "notes: a few objects describe 10^12 notes",
            &["notes"],
            |_, server| {
                let commit = commit_repeated_folders(server, 12);
                server
                    .git(&["update-ref", "refs/notes/deploy", &commit])
                    .ok();
            },
        ),
    ]
}

/// Commits a tree of ten times the same folder, which holds ten times the same folder, and so on.
fn commit_repeated_folders(server: &Repo<'_>, levels: usize) -> String {
    let note = server.git_with_input(&["hash-object", "-w", "--stdin"], "a line\n");
    let rest = "0".repeat(40 - 2 * levels);
    let mut item = format!("100644 blob {note}\t{rest}\n");
    let mut tree = server.git_with_input(&["mktree"], &item);
    for _ in 0..levels {
        item = (10..20).fold(String::new(), |mut items, name| {
            writeln!(items, "040000 tree {tree}\t{name}").unwrap();
            items
        });
        tree = server.git_with_input(&["mktree"], &item);
    }
    server
        .git(&["commit-tree", "-m", "notes", &tree])
        .ok()
        .text()
}

/// Deletes the file of a loose object.
fn lose(server: &Repo<'_>, id: &str) {
    let file = server.path().join("objects").join(&id[..2]).join(&id[2..]);
    std::fs::remove_file(file).unwrap();
}

/// A clone that has the objects does not ask for them, and one that asks gets nothing at all.
fn missing() -> Vec<Row> {
    let row = |name: &str, flags, revision: &'static str| {
        let corrupt = move |lab: &Lab<'_>, server: &Repo<'_>| {
            lose(server, &lab.rev(revision));
        };
        Row::new(name, flags, corrupt)
            .in_old(&[])
            .in_fresh(&["fetch"])
            .with_dependents(&["notes"])
    };
    vec![
        row(
            "prod: an entry is missing",
            &["prod"],
            "refs/deploy/prod:entry.json",
        ),
        row(
            "lab: a signature is missing",
            &["lab"],
            "refs/deploy/lab:entry.json.minisig",
        ),
        row("lab: a commit is missing", &["lab"], "refs/deploy/lab^1"),
        row(
            "prod: a tree is missing",
            &["prod"],
            "refs/deploy/prod^{tree}",
        ),
    ]
}

/// What changes only what git shows is ignored, and a fetch does not copy it.
fn shown() -> Vec<Row> {
    let replace = |revision: &'static str, by: &'static str| {
        move |lab: &Lab<'_>, server: &Repo<'_>| {
            let (from, to) = (lab.rev(revision), lab.rev(by));
            server.git(&["replace", "-f", &from, &to]).ok();
        }
    };
    let row = |name: &str, corrupt| {
        Row::new(name, &["refs/replace"], corrupt)
            .in_old(&[])
            .in_fresh(&[])
    };
    vec![
        row(
            "replace refs: the newest entry of prod",
            replace("refs/deploy/prod", "refs/deploy/prod^1"),
        ),
        row(
            "replace refs: the bytes of an entry",
            replace("refs/deploy/prod:entry.json", "refs/deploy/lab:entry.json"),
        ),
        Row::new("grafts", &["grafts"], |lab, server| {
            let file = server.path().join("info/grafts");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, format!("{}\n", lab.rev("refs/deploy/prod"))).unwrap();
        })
        .in_old(&[])
        // Git itself sends such a history incompletely.
        .in_fresh(&["fetch"]),
    ]
}

//! Which module may use which, read from the sources, so that the picture in ARCHITECTURE.md stays
//! true.
//!
//! The scanner works on text: comments and string contents are blanked out first. It cannot be
//! bypassed by accident; a reviewer still looks for those who try.

mod source;
mod suggested_commands;

use std::fmt::Write as _;
use std::path::Path;

use source::{Source, blanked};

/// Each top-level module and the others that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("program", &["clock", "domain"]),
    ("input_file", &[]),
    ("signing", &["clock", "domain", "program", "input_file"]),
    ("git", &["clock", "domain", "input_file"]),
    (
        "ledger",
        &["clock", "domain", "signing", "git", "input_file"],
    ),
    (
        "server",
        &["clock", "domain", "program", "signing", "git", "ledger"],
    ),
    (
        "run",
        &[
            "clock",
            "domain",
            "program",
            "input_file",
            "signing",
            "git",
            "ledger",
        ],
    ),
    ("view", &["domain", "ledger", "server", "run"]),
    (
        "cli",
        &[
            "clock",
            "domain",
            "program",
            "input_file",
            "signing",
            "git",
            "ledger",
            "server",
            "run",
            "view",
        ],
    ),
    ("lib", &["cli"]),
    (
        "testing",
        &[
            "cli", "clock", "domain", "git", "ledger", "run", "server", "signing", "view",
        ],
    ),
    ("main", &[]),
];

/// A text that may stand only in some places: what to look for, where it may be, and why. A place ends with `/` if it is a folder.
/// Unit tests may do as they like.
const ALLOWED: &[(&str, &[&str], &str)] = &[
    (
        "Utc::now",
        &["src/clock.rs"],
        "there is one clock, and tests steer it",
    ),
    (
        "Local::now",
        &[],
        "there is one clock, and it knows UTC only",
    ),
    (
        "SystemTime::now",
        &[],
        "there is one clock, and tests steer it",
    ),
    ("Instant::now", &["src/clock.rs"], "there is one clock"),
    (
        "Command::new(\"git",
        &["src/git/command.rs"],
        "every setting of a git subprocess stands in one place",
    ),
    (
        "advance_ledger",
        &["src/git/refs.rs", "src/ledger/verified_tips.rs"],
        "each move of a ledger is recorded as verified",
    ),
    (
        "move_verified_ledger",
        &[
            "src/ledger/verified_tips.rs",
            "src/ledger/writer/push_entry.rs",
            "src/ledger/sync/ref_moves.rs",
            "src/server/proc_receive/move_refs.rs",
        ],
        "a ledger grows only where its entries were judged",
    ),
    (
        "remove_unverified_ledger",
        &["src/git/refs.rs", "src/ledger/sync/restore.rs"],
        "a ledger with a verified entry is never removed",
    ),
    (
        "assume_verified",
        &["src/signing/", "src/domain/entry/"],
        "only a checked signature makes an entry verified",
    ),
    (
        "gix",
        &["src/git/", "src/ledger/facts/testing.rs"],
        "every access to git is in the git module",
    ),
    ("ureq", &["src/run/notify/post.rs"], "one place speaks HTTP"),
    (
        "tempfile",
        &[
            // These set the modes of temporary folders.
            "src/git/private_files.rs",
            "src/git/temp_repo.rs",
            "src/git/checkout.rs",
            "src/run/saved_plan.rs",
            // Files without a name.
            "src/run/process.rs",
            // Files that get their final name and mode once they are complete.
            "src/cli/policy_file.rs",
            "src/git/durable.rs",
            "src/git/object_write.rs",
            "src/git/repository_files.rs",
            "src/server/file_replacement.rs",
            "src/server/lock.rs",
            "src/signing/key.rs",
            "src/git/mod.rs",
            "src/ledger/testing.rs",
            "src/ledger/facts/testing.rs",
            // In unit tests only.
            "src/run/digest.rs",
        ],
        "whatever the umask, other users cannot read temporary files, and a killed process leaves none for long",
    ),
    (
        "temp_dir",
        &[],
        "temporary files are in the folder of the user: git::private_files",
    ),
    (
        "create_dir",
        &[
            "src/git/durable.rs",
            "src/git/quarantine.rs",
            // The folder has the mode of the refs in a shared repository.
            "src/git/repository_files.rs",
            "src/run/digest.rs",
        ],
        "folders are private, whatever the umask: git::private_files",
    ),
    (
        "create_dir_all",
        &[
            "src/server/hook_files.rs",
            "src/cli/commands/man.rs",
            "src/cli/commands/demo/tour.rs",
        ],
        "folders are private, whatever the umask: git::private_files",
    ),
    (
        "DirBuilder",
        &["src/git/private_files.rs"],
        "folders are private, whatever the umask: git::private_files",
    ),
];

/// The most lines of a file, with its unit tests: a longer one lacks a module.
const LINES: usize = 660;
#[test]
fn layers_hold() {
    let mut complaints = String::new();
    for source in Source::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for complaint in complaints_about(&source) {
            writeln!(complaints, "{complaint}").unwrap();
        }
    }
    assert!(
        complaints.is_empty(),
        "the sources are against the layers of tests/it/layering.rs:\n{complaints}"
    );
}

fn complaints_about(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = &source.name;
    let own = source.module.first().map_or("lib", String::as_str);
    let Some((_, may_use)) = MAY_USE.iter().find(|(module, _)| *module == own) else {
        return vec![format!(
            "{name}: the module {own} is not in the table of layers"
        )];
    };
    for (line, used) in source.uses() {
        let a_module = used == "*" || MAY_USE.iter().any(|(module, _)| *module == used);
        if a_module && used != own && !may_use.contains(&used.as_str()) {
            complaints.push(format!("{name}:{line}: {own} may not use {used}"));
        }
    }
    // With the contents of strings, because one pattern is about a string.
    for (number, line) in source
        .without_tests(&blanked(&source.text, false))
        .lines()
        .enumerate()
    {
        for (pattern, places, why) in ALLOWED {
            let allowed = places
                .iter()
                .any(|place| name == place || place.ends_with('/') && name.starts_with(place));
            if !allowed && contains_word(line, pattern) {
                complaints.push(format!(
                    "{name}:{}: {pattern} may not stand here: {why}",
                    number + 1
                ));
            }
        }
    }
    let lines = source.text.lines().count();
    if lines > LINES {
        complaints.push(format!(
            "{name}: {lines} lines, at most {LINES} are readable"
        ));
    }
    complaints
}

/// Returns whether the pattern occurs in the line, other than inside or at the end of a longer
/// name.
fn contains_word(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let inside = |character: char| character.is_alphanumeric() || character == '_';
        let after = line[at + pattern.len()..].chars().next();
        let goes_on = pattern.ends_with(inside) && after.is_some_and(inside);
        !goes_on && !line[..at].ends_with(inside)
    })
}

/// Returns what the scanner reports for a text, with the lines.
fn complaints(name: &str, text: &str) -> Vec<String> {
    complaints_about(&Source::new(name, text.to_owned()))
}

/// The scanner finds each kind of forbidden import.
#[test]
fn bad_imports_are_found() {
    for (name, text) in [
        ("src/domain/name.rs", "use crate::clock::now;"),
        (
            "src/domain/name.rs",
            "fn f() { let x = crate :: git::Oid::of(); }",
        ),
        (
            "src/domain/rules/mod.rs",
            "use crate::{domain::id::Oid, git::{self, refs}};",
        ),
        (
            "src/domain/rules/mod.rs",
            "use crate::{\n    domain::{id, name},\n    cli,\n};",
        ),
        (
            "src/domain/rules/lock.rs",
            "use super::super::super::signing;",
        ),
        ("src/domain/mod.rs", "use super::{signing, clock};"),
        ("src/domain/mod.rs", "mod tests { use super::super::git; }"),
        ("src/view/mod.rs", "pub use crate::git as it;"),
        ("src/view/mod.rs", "use crate::cli::Ui;"),
        ("src/run/mod.rs", "use crate::view::table;"),
        ("src/view/mod.rs", "use crate::*;"),
        ("src/view/mod.rs", "use crate as all;"),
        ("src/git/refs.rs", "type T = crate::server::Hook;"),
        ("src/main.rs", "use git_deploy::git;"),
        ("src/clock.rs", "use crate::cli::Context;"),
        ("src/novel/mod.rs", ""),
        (
            "src/view/table.rs",
            "const A: char = '\"'; use crate::git; const B: char = '\"';",
        ),
        (
            "src/view/table.rs",
            "const A: &str = r#\"\"#; use crate::git; const B: &str = \"\";",
        ),
    ] {
        assert!(!complaints(name, text).is_empty(), "{name}: {text}");
    }
}

/// The scanner finds each forbidden call outside its permitted places.
#[test]
fn bad_calls_are_found() {
    let long = "\n".repeat(LINES + 1);
    for (name, text, elsewhere) in [
        (
            "src/git/log.rs",
            "let now = chrono::Utc::now();",
            Some("src/clock.rs"),
        ),
        (
            "src/run/apply.rs",
            "let now = Instant::now();",
            Some("src/clock.rs"),
        ),
        (
            "src/run/apply.rs",
            "Command::new(\"git-receive-pack\")",
            Some("src/git/command.rs"),
        ),
        (
            "src/cli/repair.rs",
            "repo.advance_ledger(name, old, new)",
            Some("src/ledger/verified_tips.rs"),
        ),
        (
            "src/git/log.rs",
            "entry.assume_verified()",
            Some("src/signing/entry.rs"),
        ),
        (
            "src/view/graph.rs",
            "use gix::ObjectId;",
            Some("src/git/graph.rs"),
        ),
        (
            "src/cli/show.rs",
            "repo.gix.find_object(id)",
            Some("src/git/show.rs"),
        ),
        ("src/git/long.rs", &long, None),
    ] {
        assert_eq!(complaints(name, text).len(), 1, "{name}: {text}");
        if let Some(place) = elsewhere {
            assert_eq!(complaints(place, text), Vec::<String>::new(), "{text}");
        }
    }
}

/// The scanner ignores text that is not code, or not of this crate.
#[test]
fn good_sources_pass() {
    for (name, text) in [
        (
            "src/domain/name.rs",
            "//! See [`crate::git`].\n/* use crate::git; /* */ use crate::cli; */",
        ),
        (
            "src/domain/name.rs",
            "const A: &str = \"use crate::git; \\\" crate::cli\"; // Utc::now",
        ),
        ("src/domain/name.rs", "use crate::domain::id::{git, cli};"),
        (
            "src/domain/rules/lock.rs",
            "use super::super::id::Oid; fn f<'a>(x: &'a str) {}",
        ),
        (
            "src/ledger/sync.rs",
            "use crate::{clock, domain::{cli, view}, signing};",
        ),
        (
            "src/git/refs.rs",
            "#[cfg(test)]\nmod tests {\n    fn f() { Command::new(\"git\"); Utc::now(); }\n}",
        ),
        ("src/git/tests/refs.rs", "fn f() { Command::new(\"git\"); }"),
        (
            "src/view/table.rs",
            "let to_gix = from_gix(x); let digix = 1; advance_ledgers();",
        ),
    ] {
        assert_eq!(
            complaints(name, text),
            Vec::<String>::new(),
            "{name}: {text}"
        );
    }
}

/// Checks that each path that ARCHITECTURE.md names exists, so that the page stays true.
#[test]
fn architecture_names_existing_paths() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| {
            code.contains('/') && !code.contains([' ', '<', '*']) && !code.starts_with("refs/")
        })
        .collect();
    assert!(named.len() > 50, "{named:?}");
    let missing: Vec<&str> = named
        .into_iter()
        .filter(|path| !root.join(path).exists() && !root.join("src").join(path).exists())
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

//! Every command that the sources suggest must exist: `git deploy <verb>` in errors, remedies, help
//! and comments.

use std::collections::BTreeSet;
use std::path::Path;

use super::source::Source;
use crate::harness::World;

/// The verbs that have verbs of their own.
const NESTED: [&str; 7] = [
    "component",
    "environment",
    "hook",
    "key",
    "person",
    "policy",
    "server",
];
/// What follows the program's name where it is a word of a sentence, or of the titles that it writes.
const PROSE: [&str; 16] = [
    "and", "cannot", "carries", "deploys", "does", "guards", "has", "is", "itself", "knows",
    "ledger", "notes", "project", "records", "removes", "runs",
];

/// A command that some text proposes: its verbs, and the options that it shows with them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Proposal {
    verbs: Vec<String>,
    options: Vec<String>,
}

/// A suggestion that does not exist wastes people's time at the worst moment.
#[test]
fn every_suggested_command_exists() {
    let sources = Source::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let found: BTreeSet<(Proposal, &str)> = sources
        .iter()
        .flat_map(|source| {
            proposals(source.without_tests(&source.text))
                .into_iter()
                .map(|it| (it, source.name.as_str()))
        })
        .collect();
    assert!(found.len() > 20, "{found:?}");
    let world = World::new();
    let repo = world.repo("alice");
    let mut missing = Vec::new();
    for (proposal, place) in &found {
        let verbs: Vec<&str> = proposal.verbs.iter().map(String::as_str).collect();
        let help = repo.deploy(&[&verbs[..], &["--help"]].concat());
        let text = help.text();
        let knows = |option: &String| {
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .any(|word| word == option)
        };
        if !help.succeeded() || !proposal.options.iter().all(knows) {
            missing.push(format!(
                "{place}: git deploy {} {}",
                verbs.join(" "),
                proposal.options.join(" ")
            ));
        }
    }
    assert!(
        missing.is_empty(),
        "proposed, and not there:\n{}",
        missing.join("\n")
    );
}

/// Returns the commands that a source suggests, also across lines of text or of comments.
fn proposals(text: &str) -> Vec<Proposal> {
    let mut lines = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        lines += line
            .trim_start_matches("//")
            .trim_start_matches(['/', '!'])
            .trim_start();
        if lines.ends_with('\\') {
            lines.pop();
        } else if !line.starts_with("//") {
            lines.push('\n');
        } else {
            lines.push(' ');
        }
    }
    let of_a_command = |name: &'static str| {
        lines
            .match_indices(name)
            .map(move |(at, _)| (name, at + name.len()))
    };
    let calls = of_a_command("git deploy ").chain(of_a_command("git-deploy "));
    calls
        .filter_map(|(name, at)| proposal(name, &lines[at..]))
        .collect()
}

fn proposal(name: &str, rest: &str) -> Option<Proposal> {
    let end = rest
        .find(['"', '`', ';', ')', '\n', '|', '&'])
        .unwrap_or(rest.len());
    let mut words = rest[..end].split_whitespace();
    let is_verb =
        |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let first = words
        .next()
        .map(|word| word.trim_end_matches([',', '.', ':']))
        .filter(is_verb)?;
    if name == "git-deploy " && PROSE.contains(&first) {
        return None;
    }
    let mut verbs = vec![first.to_owned()];
    let mut rest: Vec<&str> = words.collect();
    if NESTED.contains(&first) && rest.first().is_some_and(is_verb) {
        verbs.push(rest.remove(0).to_owned());
    }
    let option = |word: &&str| {
        let word = word.trim_start_matches('[');
        let end = word
            .find(|c: char| !c.is_ascii_lowercase() && c != '-')
            .unwrap_or(word.len());
        word.starts_with("--").then(|| word[..end].to_owned())
    };
    Some(Proposal {
        verbs,
        options: rest.iter().filter_map(option).collect(),
    })
}

/// The scanner finds suggested commands, and takes no sentence for one.
#[test]
fn suggestions_are_found() {
    let found = |text: &str| {
        let mut found: Vec<_> = proposals(text)
            .into_iter()
            .map(|it| [it.verbs, it.options].concat().join(" "))
            .collect();
        found.sort();
        found
    };
    assert_eq!(found(r#".hint("git deploy sync")"#), ["sync"]);
    assert_eq!(
        found(r#"format!("git deploy record {place} --rollback; or git deploy log {}")"#),
        ["log", "record --rollback"]
    );
    assert_eq!(
        found(
            "\"once: git-deploy server init X --admin \\\n    <key>, git deploy \\\n    sync: news\""
        ),
        ["server init --admin", "sync"]
    );
    assert_eq!(
        found("//! See `git deploy\n//! policy publish`, which git-deploy knows."),
        ["policy publish"]
    );
    assert_eq!(
        found("format!(\"git deploy {verb}\")"),
        Vec::<String>::new()
    );
}

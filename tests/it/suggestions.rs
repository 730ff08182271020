//! Every command that a refusal suggests is typed exactly as printed, by the person who reads it or
//! by those whom it says to ask. Afterwards the refusal is gone, or it is another rule's.
//!
//! The table has a row for each state in which a rule refuses. A rule without a row fails the test.

mod scene;
mod screen;
mod table;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use git_deploy::testing::domain::verdict::Rule;

use crate::harness::World;
use scene::{Host, PEOPLE, Scene};
use screen::Screen;
use table::{Attempt, ROWS, Row};

/// The number of commands that the tests of this process have typed.
static TYPED: AtomicUsize = AtomicUsize::new(0);

/// A new rule needs a row.
#[test]
fn every_rule_has_a_row() {
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.rule).collect();
    let rules: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(rows, rules);
}

/// Without a server.
#[test]
fn suggestions_work_in_one_repository() {
    type_all(Host::Local);
}

/// On a server with hooks, whose answer the reader sees.
#[test]
fn suggestions_work_on_a_server() {
    type_all(Host::Server);
}

/// On a host that runs no hooks.
#[test]
fn suggestions_work_on_a_host_without_hooks() {
    type_all(Host::Plain);
}

/// Types the suggestions of every row, as every person, and reports all mistakes at once.
fn type_all(host: Host) {
    let only = std::env::var("SUGGESTIONS_OF").ok();
    let rows = ROWS
        .iter()
        .filter(|row| only.as_deref().is_none_or(|only| row.rule == only));
    let mut mistakes = Vec::new();
    let mut typed = 0;
    for row in rows.filter(|row| row.attempt.exists_on(host)) {
        let world = World::new();
        let scene = Scene::new(&world, host, row);
        for person in PEOPLE {
            typed += type_suggestions(&scene, row, person, &mut mistakes);
        }
    }
    let total = TYPED.fetch_add(typed, Ordering::SeqCst) + typed;
    println!("{host:?}: {typed} suggestions typed, {total} so far");
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n\n"));
}

/// Types each suggestion that a person sees in a row. Returns their number.
fn type_suggestions(
    scene: &Scene<'_>,
    row: &Row,
    person: &'static str,
    mistakes: &mut Vec<String>,
) -> usize {
    let label = format!(
        "{} for {person} ({:?}, {:?})",
        row.rule,
        scene.host(),
        row.attempt
    );
    scene.reset();
    let screen = scene.attempt(row, person);
    if !screen.refuses(row) {
        // A person whom the rule allows sees no suggestion.
        if screen.is_refusal() && person != "dave" {
            let other = screen.rules().contains(row.rule);
            assert!(!other, "{label}: {screen}");
        }
        return 0;
    }
    let suggestions = screen.suggestions(row);
    if suggestions.is_empty() && !screen.text().contains(row.without) {
        mistakes.push(format!(
            "{label}: no suggestion, and nothing about {:?}:\n{screen}",
            row.without
        ));
    }
    let mut typed = 0;
    for suggestion in &suggestions {
        let readers = suggestion.typists(person);
        if let Some(stranger) = readers.iter().find(|name| !PEOPLE.contains(name)) {
            mistakes.push(format!("{label}: who is {stranger}?\n{screen}"));
            continue;
        }
        for typist in readers {
            scene.reset();
            typed += 1;
            let run = scene.type_command(&suggestion.command, typist);
            if suggestion.only_shows() {
                if !run.succeeded() {
                    mistakes.push(format!("{label}: {typist} typed\n{run}\n{screen}"));
                }
                continue;
            }
            let again = scene.attempt(row, person);
            if !run.succeeded() || again.repeats(&screen, row) {
                mistakes.push(format!(
                    "{label}: {typist} typed\n{run}\nand then\n{again}\nbefore\n{screen}"
                ));
            }
        }
    }
    typed
}

/// The table reads what it says.
#[test]
fn screens_are_read() {
    let screen = Screen::new(
        "  ✗ approvals  0 of 1: needs one of bob, carol\n               ask bob or carol:\n               → git deploy approve prod 1\n  ✗ lock       prod is locked\n               → git deploy unlock prod\nerror: no\n  hint: git deploy sync\n",
    );
    assert_eq!(screen.rules(), BTreeSet::from(["approvals", "lock"]));
    let row = Row {
        rule: "approvals",
        policy: "",
        set_up: |_| (),
        attempt: Attempt::Deploy(&[]),
        without: "",
    };
    let found = screen.suggestions(&row);
    let found: Vec<(Vec<&str>, &str)> = found
        .iter()
        .map(|it| (it.typists("ci"), it.command.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (vec!["bob", "carol"], "git deploy approve prod 1"),
            (vec!["ci"], "git deploy sync"),
        ]
    );
}

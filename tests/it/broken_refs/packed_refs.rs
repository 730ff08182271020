//! A `packed-refs` that is malformed: commands cannot tell, and print what repairs it.

use super::{copy, project, write};
use crate::harness::World;

/// A malformed line of packed-refs is named by its number, never by its text, and the printed
/// command removes it.
#[test]
fn a_malformed_line_of_packed_refs() {
    let world = World::new();
    let project = project(&world);
    let clone = copy(&project, "bob", 0);
    clone.git(&["pack-refs", "--all"]).ok();
    let file = clone.path().join(".git/packed-refs");
    let packed = std::fs::read_to_string(&file).unwrap();
    let end = packed.find("refs/deploy/").unwrap();
    let start = packed[..end].rfind('\n').unwrap() + 1;
    let (before, after) = packed.split_at(start);
    write(&file, &format!("{before}secret words\n{after}"));
    let run = clone.deploy(&["status"]);
    assert!(!run.to_string().contains("secret"), "{run}");
    let run = clone.deploy(&["sync"]).fails(3);
    assert!(!run.to_string().contains("secret"), "{run}");
    let text = run.err();
    let mut hints = text.lines().filter_map(|line| line.split_once("hint: "));
    let line = hints.next().unwrap().1;
    clone.run("sh", &["-c", line]).ok();
    clone.deploy(&["sync"]).ok();
    let left = std::fs::read_to_string(&file).unwrap();
    assert!(!left.contains("secret"), "{left}");
}

/// In a clone whose packed-refs was cut, emptied or reordered, every command either works or cannot
/// tell and names the file. Nothing is said to be lost, and the printed commands repair the clone.
#[test]
fn damaged_packed_refs_are_named_and_repaired() {
    let world = World::new();
    let project = project(&world);
    let packed = copy(&project, "bob", 0);
    packed.git(&["pack-refs", "--all"]).ok();
    let text = std::fs::read_to_string(packed.path().join(".git/packed-refs")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut damages = vec![
        ("empty".to_owned(), String::new()),
        ("zeros".to_owned(), "\0".repeat(text.len())),
        ("unterminated".to_owned(), text.trim_end().to_owned()),
        ("only the header".to_owned(), lines[0].to_owned()),
    ];
    let mut start = 0;
    for (number, line) in lines.iter().enumerate() {
        if line.contains("refs/deploy") {
            let row = |what: &str| format!("{what} {number}");
            damages.push((row("cut before"), text[..start].to_owned()));
            damages.push((row("cut in"), text[..start + line.len() - 3].to_owned()));
            let mut moved = lines.clone();
            let last = moved.len() - 1;
            moved.swap(number, last);
            damages.push((row("unsorted"), moved.concat()));
        }
        start += line.len();
    }
    for (number, (row, damaged)) in damages.iter().enumerate() {
        let clone = copy(&project, "bob", number + 1);
        clone.git(&["pack-refs", "--all"]).ok();
        write(&clone.path().join(".git/packed-refs"), damaged);
        for command in [
            &["status"][..],
            &["log", "lab"],
            &["check", "dev"],
            &["show"],
            &["contains", "lab", "HEAD"],
            &["audit"],
            &["repair"],
            &["record", "lab", "--all", "--dry-run"],
            &["sync"],
        ] {
            let run = clone.deploy(command);
            let said = run.words_of_err() + &run.text();
            assert!(!said.contains(" lost "), "{row}: {run}");
            assert!(!said.contains("rewritten"), "{row}: {run}");
            if said.contains("packed-refs") {
                let run = run.fails(3);
                assert_eq!(repairs(&run.err()).len(), 1, "{row}: {run}");
            } else if said.contains("no commits yet") {
                // The branch was in the part that is gone, which no one can see.
                run.fails(2);
            } else if !run.succeeded() {
                run.fails(3);
            }
        }
        // A file may have several faults.
        for _ in 0..3 {
            let run = clone.deploy(&["sync"]);
            if run.succeeded() {
                break;
            }
            clone
                .run("sh", &["-c", &repairs(&run.err()).join("\n")])
                .ok();
        }
        clone.deploy(&["sync"]).ok();
        for ledger in ["dev", "lab"] {
            let run = clone.deploy(&["log", ledger]).ok();
            assert_eq!(run.err(), "", "{row}: {run}");
            assert!(run.text().contains("deployed"), "{row}: {run}");
        }
    }
}

/// Returns the commands that a message prints to repair packed-refs.
fn repairs(text: &str) -> Vec<&str> {
    let hints = text.lines().filter_map(|line| line.split_once("hint: "));
    let hints = hints.map(|(_, command)| command);
    hints
        .filter(|command| command.starts_with("sed ") || command.starts_with("rm "))
        .collect()
}

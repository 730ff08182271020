//! A table of corrupted repositories on a host without hooks: a clone that had synced before, a
//! fresh clone, a clone with the refspecs that README.md gives to auditors, and an audit of the
//! repository itself flag each one by name, and blame nothing else.

mod bytes;
mod chains;
mod others;
mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use table::{Flags, Lab, Row};

use crate::harness::{Repo, World};

/// Returns the whole table.
fn rows() -> Vec<Row> {
    [bytes::rows(), chains::rows(), others::rows()].concat()
}

/// Each corruption is flagged by name in every kind of clone, and nothing else is.
#[test]
fn corruptions_are_flagged_and_nothing_else_is() {
    let world = World::new();
    let lab = Lab::new(&world);
    let rows = rows();
    assert!(rows.len() >= 60, "{} corruptions", rows.len());
    let names: BTreeSet<&str> = rows.iter().map(|row| &*row.name).collect();
    assert_eq!(names.len(), rows.len(), "two corruptions have one name");
    // Without a corruption nothing is flagged.
    let honest = Row::new("nothing", &[], |_, _| ());
    assert_eq!(complaints(&lab, &honest, 0), "");

    // Only objects in the clone of one person are made here, so this cannot run in parallel.
    let servers: Vec<Repo<'_>> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| lab.corrupt(row, number + 1))
        .collect();
    let jobs: Vec<_> = rows.iter().zip(&servers).enumerate().collect();
    let mut complaints: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .chunks(jobs.len().div_ceil(4))
            .map(|jobs| {
                let lab = &lab;
                scope.spawn(move || {
                    jobs.iter()
                        .map(|(number, (row, server))| judge(lab, row, server, number + 1))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    complaints.retain(|complaint| !complaint.is_empty());
    assert!(
        complaints.is_empty(),
        "{} of {} corruptions:\n\n{}",
        complaints.len(),
        rows.len(),
        complaints.join("\n")
    );
}

/// Makes one corruption and judges it.
fn complaints(lab: &Lab<'_>, row: &Row, number: usize) -> String {
    judge(lab, row, &lab.corrupt(row, number), number)
}

/// Returns what is wrong with how each kind of clone reports a corruption.
fn judge(lab: &Lab<'_>, row: &Row, server: &Repo<'_>, number: usize) -> String {
    let mut text = String::new();
    let mut compare = |view: &str, expected: &[&'static str], (found, said): (Flags, String)| {
        if let Some(complaint) = found.differs_from(expected, row.dependents) {
            writeln!(text, "{}, {view}: {complaint}\n{said}", row.name).unwrap();
        }
    };
    compare("server", row.server, table::audit(server));
    compare("old clone", row.old, lab.sync_old_clone(server, number));
    compare(
        "fresh clone",
        row.fresh,
        lab.sync_fresh_clone(server, number),
    );
    compare(
        "README's clone",
        row.readme,
        lab.sync_readme_clone(server, number),
    );
    text
}

//! Entries that are dropped, reordered or signed for another place; refs that are rewound, deleted
//! or lead elsewhere.

use super::bytes::LEDGERS;
use super::table::{Lab, Row};
use crate::harness::Repo;

/// Returns the rows.
pub fn rows() -> Vec<Row> {
    [forged(), rewound(), replaced()].concat()
}

fn forged() -> Vec<Row> {
    let dev = LEDGERS[0].2;
    vec![
        Row::new("dev: an entry is dropped", &["dev"], |lab, server| {
            let ids = ["~2", "^0"].map(|it| lab.rev(&format!("refs/deploy/dev{it}")));
            let forged = lab.project.ci.replant(&ids[1], &ids[0]);
            lab.put(server, "refs/deploy/dev", &forged);
        })
        .with_dependents(dev),
        Row::new(
            "dev: the first entry is dropped",
            &["dev"],
            |lab, server| {
                let genesis = lab.rev("refs/deploy/dev~3");
                let second = lab
                    .project
                    .ci
                    .replant(&lab.rev("refs/deploy/dev~1"), &genesis);
                let third = lab.project.ci.replant(&lab.rev("refs/deploy/dev"), &second);
                lab.put(server, "refs/deploy/dev", &third);
            },
        )
        .with_dependents(dev),
        Row::new("dev: two entries are exchanged", &["dev"], |lab, server| {
            let [first, second, third] =
                ["~2", "~1", "^0"].map(|it| lab.rev(&format!("refs/deploy/dev{it}")));
            let third = lab.project.ci.replant(&third, &first);
            let forged = lab.project.ci.replant(&second, &third);
            lab.put(server, "refs/deploy/dev", &forged);
        })
        .with_dependents(dev),
        Row::new(
            "dev: the first entry is altered",
            &["dev"],
            |lab, server| {
                let ci = &lab.project.ci;
                let first = lab.rev("refs/deploy/dev~2");
                let first = ci.recommit(&first, |raw| format!("{raw}\nmore\n"));
                let second = ci.replant(&lab.rev("refs/deploy/dev~1"), &first);
                let third = ci.replant(&lab.rev("refs/deploy/dev"), &second);
                lab.put(server, "refs/deploy/dev", &third);
            },
        )
        .with_dependents(dev),
        swapped("prod", "refs/deploy/stage", &["prod"], &["notes"]),
        swapped("lab", "refs/deploy/lab~1", &["lab"], &["notes"]),
        swapped("dev", "refs/deploy/dev~2", &["dev"], dev),
    ]
}

/// Returns a row in which the newest entry has the signature of another.
fn swapped(
    ledger: &'static str,
    other: &'static str,
    flags: &'static [&'static str],
    dependents: &'static [&'static str],
) -> Row {
    let name = format!("{ledger}: the signature of {other}");
    let row = Row::new(name, flags, move |lab, server| {
        let ci = &lab.project.ci;
        let reference = format!("refs/deploy/{ledger}");
        let file = "entry.json.minisig";
        let signature = ci.bytes("blob", &format!("{}:{file}", lab.rev(other)));
        let forged = ci.refile(&lab.rev(&reference), &[(file, &signature)]);
        lab.put(server, &reference, &forged);
    });
    row.with_dependents(dependents)
}

fn rewound() -> Vec<Row> {
    let mut rows = Vec::new();
    for (ledger, flags, dependents) in LEDGERS {
        let name = move || format!("refs/deploy/{ledger}");
        let rewind = move |lab: &Lab<'_>, server: &Repo<'_>| {
            let old = lab.rev(&format!("refs/deploy/{ledger}^1"));
            server.git(&["update-ref", &name(), &old]).ok();
        };
        // Without an entry that names the lost one, only the notes and older clones know of it.
        let (seen, named): (&[&str], _) = match ledger {
            "lab" | "prod" => (&["notes"], &["notes"][..]),
            _ => (flags, flags),
        };
        // The signatures of the entries that name a lost policy cannot be verified without it.
        let in_fresh = if ledger == "policy" { &[] } else { seen };
        let row = Row::new(format!("{ledger}: rewound"), flags, rewind)
            .on_server(seen)
            .in_fresh(in_fresh);
        let delete = move |_: &Lab<'_>, server: &Repo<'_>| {
            server.git(&["update-ref", "-d", &name()]).ok();
        };
        let deleted = Row::new(format!("{ledger}: deleted"), flags, delete)
            .on_server(named)
            .in_fresh(named);
        rows.push(row.with_dependents(dependents));
        if ledger != "policy" {
            rows.push(deleted.with_dependents(dependents));
        }
    }
    rows
}

/// Makes the object that a ref leads to instead.
type Replacement = fn(&Lab<'_>) -> String;

fn replaced() -> Vec<Row> {
    let replacements: [(&str, Replacement); 5] = [
        ("a code commit", |lab| lab.rev("refs/heads/main")),
        ("a blob", |lab| lab.project.ci.object("blob", b"junk\n")),
        ("a tree", |lab| lab.rev("refs/heads/main^{tree}")),
        ("a tag of its tip", |lab| {
            let tip = lab.rev("refs/deploy/prod");
            let tag = format!("object {tip}\ntype commit\ntag x\ntagger x <x@x> 1 +0000\n\nx\n");
            lab.project.ci.object("tag", tag.as_bytes())
        }),
        ("the ledger stage", |lab| lab.rev("refs/deploy/stage")),
    ];
    let mut rows = Vec::new();
    for (what, replacement) in replacements {
        for (ledger, flags, dependents) in LEDGERS {
            if !["prod", "dev", "policy"].contains(&ledger) {
                continue;
            }
            let name = format!("{ledger}: leads to {what}");
            let row = Row::new(name, flags, move |lab, server| {
                lab.put(server, "refs/heads/keep", &lab.rev("refs/heads/main"));
                let id = replacement(lab);
                lab.put(server, &format!("refs/deploy/{ledger}"), &id);
            });
            rows.push(row.with_dependents(dependents));
        }
    }
    rows
}

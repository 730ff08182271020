//! Corrupted bytes of entries, signatures, commits and trees.

use super::table::{Lab, Row};
use crate::harness::Repo;

/// Each ledger with those that depend on it. In turn, an entry depends on every ledger that it
/// names.
pub const LEDGERS: [(&str, &[&str], &[&str]); 6] = [
    ("dev", &["dev"], &["stage", "prod", "notes"]),
    ("lab", &["lab"], &["notes"]),
    ("stage", &["stage"], &["prod", "notes"]),
    ("prod", &["prod"], &["notes"]),
    (
        "evidence",
        &["evidence"],
        &["dev", "lab", "stage", "prod", "notes"],
    ),
    (
        "policy",
        &["policy"],
        &["dev", "lab", "stage", "prod", "evidence", "notes"],
    ),
];

/// Makes a corrupted commit from an honest one.
type Forge = fn(&Lab<'_>, &str) -> String;

/// The ways to corrupt the newest entry of any ledger.
const OF_A_TIP: [(&str, Forge); 9] = [
    ("a byte of the entry", |lab, tip| {
        let ci = &lab.project.ci;
        let entry = String::from_utf8(ci.bytes("blob", &format!("{tip}:entry.json"))).unwrap();
        let other = entry.replacen("\"sequence\"", "\"sequencf\"", 1);
        assert_ne!(entry, other);
        ci.refile(tip, &[("entry.json", other.as_bytes())])
    }),
    ("a byte of the signature", |lab, tip| {
        let ci = &lab.project.ci;
        let file = "entry.json.minisig";
        let mut signature = ci.bytes("blob", &format!("{tip}:{file}"));
        let line = signature.iter().position(|byte| *byte == b'\n').unwrap();
        // Inside the base64 of the second line.
        let byte = &mut signature[line + 40];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        ci.refile(tip, &[(file, &signature)])
    }),
    ("no signature", |lab, tip| {
        let remove: &[&str] = &["--force-remove", "entry.json.minisig"];
        lab.project.ci.retree(tip, &[remove])
    }),
    ("the message of the commit", |lab, tip| {
        lab.project
            .ci
            .recommit(tip, |raw| raw.replacen("\n\n", "\n\nHarmless: ", 1))
    }),
    ("the time of the commit", |lab, tip| {
        lab.project
            .ci
            .recommit(tip, |raw| raw.replace(" +0000\n", " +0100\n"))
    }),
    ("a header of the commit", |lab, tip| {
        lab.project
            .ci
            .recommit(tip, |raw| raw.replacen("\n\n", "\nencoding x\n\n", 1))
    }),
    ("a file in the tree", |lab, tip| {
        lab.project.ci.refile(tip, &[("extra", b"file\n")])
    }),
    ("the mode of a file", |lab, tip| {
        let ci = &lab.project.ci;
        let blob = ci.repo.rev(&format!("{tip}:entry.json"));
        let info = format!("100755,{blob},entry.json");
        let change: &[&str] = &["--cacheinfo", &info];
        ci.retree(tip, &[change])
    }),
    ("the same entry twice", |lab, tip| {
        lab.project.ci.replant(tip, tip)
    }),
];

/// Returns the rows.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, forge) in OF_A_TIP {
        for (ledger, flags, dependents) in LEDGERS {
            // Every way with every ledger would only take time.
            if !["dev", "prod", "policy"].contains(&ledger) && rows.len() % 2 == 0 {
                continue;
            }
            let row = Row::new(format!("{ledger}: {what}"), flags, move |lab, server| {
                let name = format!("refs/deploy/{ledger}");
                let forged = forge(lab, &lab.rev(&name));
                lab.put(server, &name, &forged);
            });
            rows.push(row.with_dependents(dependents));
        }
    }
    rows.extend([
        Row::new("prod: a file of the state", &["prod"], |lab, server| {
            let ci = &lab.project.ci;
            let tip = lab.rev("refs/deploy/prod");
            let files = ci.repo.git(&["ls-tree", "-r", "--name-only", &tip]).ok();
            let files = files.text();
            let file = files.lines().find(|it| it.starts_with("components/"));
            let forged = ci.refile(&tip, &[(file.unwrap(), b"0\n")]);
            lab.put(server, "refs/deploy/prod", &forged);
        })
        .with_dependents(&["notes"]),
        Row::new("policy: another deploy.toml", &["policy"], |lab, server| {
            forge_policy(lab, server, "deploy.toml");
        })
        .with_dependents(LEDGERS[5].2),
        Row::new(
            "policy: another list of keys",
            &["policy"],
            |lab, server| {
                forge_policy(lab, server, "keys");
            },
        )
        .with_dependents(LEDGERS[5].2),
    ]);
    rows
}

/// Adds a line to a file of the newest policy.
fn forge_policy(lab: &Lab<'_>, server: &Repo<'_>, file: &str) {
    let ci = &lab.project.ci;
    let tip = lab.rev("refs/deploy/policy");
    let mut text = ci.bytes("blob", &format!("{tip}:{file}"));
    text.extend(b"# one more line\n");
    let forged = ci.refile(&tip, &[(file, &text)]);
    lab.put(server, "refs/deploy/policy", &forged);
}

//! A wrong tip of one ledger in a clone that has verified nothing yet: the ledgers that do not depend
//! on the missing part are used.

use super::REFSPEC;
use crate::harness::{Project, Repo, World};

const POLICY: &str = "[environments]\ndev = {}\nstage = { promote_from = \"dev\" }\nprod = { promote_from = \"stage\" }\nlab = {}\n";

/// The tips that `dev` gets, and whether it still contains its honest entries.
fn wrong_tips(project: &Project<'_>) -> [(&'static str, String, bool); 5] {
    let tip = || project.server.rev("refs/deploy/dev");
    let record = || {
        for environment in ["dev", "stage", "prod", "lab"] {
            project.ci.deploy(&["record", environment, "--all"]).ok();
        }
        tip()
    };
    let older = record();
    let second = project.push("api/x", "two\n");
    let honest = record();
    let carol = &project.carol;
    carol.repo.git(&["fetch", "-q", "origin"]).ok();
    carol.deploy(&["sync"]).ok();
    let statement = carol.a_record(&second, Some(&second));
    let forged = carol.build("dev", statement, None, |statement| {
        statement.by = "ci".parse().unwrap();
    });
    let forged = forged.to_string();
    let signature = carol.bytes("blob", &format!("{honest}:entry.json.minisig"));
    let missigned = carol.refile(&forged, &[("entry.json.minisig", &signature)]);
    let unsigned = carol.retree(&forged, &[&["--force-remove", "entry.json.minisig"]]);
    [
        ("forged", forged, true),
        ("unsigned", unsigned, true),
        ("missigned", missigned, true),
        ("rewound", older, false),
        ("no ledger", second, false),
    ]
}

/// Checks that a ledger is shown and decided on.
#[track_caller]
fn is_used(repo: &Repo<'_>, ledger: &str, context: &str) {
    let log = repo.deploy(&["log", ledger]).ok();
    assert!(log.text().contains(" deployed "), "{context}: {log}");
    let status = repo.deploy(&["status"]).ok();
    let mut lines = status.text().lines().map(str::to_owned).collect::<Vec<_>>();
    lines.retain(|line| line.starts_with(&format!("{ledger} ")));
    assert_eq!(lines.len(), 1, "{context}: {status}");
    let left_out = format!("the ledger {ledger} here is not used");
    assert!(
        !status.words_of_err().contains(&left_out),
        "{context}: {status}"
    );
}

#[test]
fn one_wrong_tip_leaves_out_only_what_depends_on_it() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let tips = wrong_tips(&project);
    let (server, carol) = (&project.server, &project.carol);
    let mut number = 0;
    for (kind, tip, has_honest_entries) in &tips {
        server.git(&["fetch", "-q", &carol.repo.url(), tip]).ok();
        server.git(&["update-ref", "refs/deploy/dev", tip]).ok();
        for options in [&["--mirror"][..], &["-c", REFSPEC]] {
            let context = format!("{kind} {options:?}");
            number += 1;
            let repo = world.existing(format!("clone-{number}"), "ci");
            std::fs::create_dir(repo.path()).unwrap();
            repo.git(&[&["clone", "-q"], options, &[&*server.url(), "."]].concat())
                .ok();
            is_used(&repo, "lab", &context);
            repo.deploy(&["check", "lab", "main"]).ok();
            if *has_honest_entries {
                for ledger in ["stage", "prod"] {
                    is_used(&repo, ledger, &context);
                }
                repo.deploy(&["check", "prod", "main"]).ok();
            }
            for command in [
                &["log", "dev"][..],
                &["check", "dev", "main"],
                &["check", "stage", "main"],
            ] {
                repo.deploy(command).fails(3);
            }
        }
    }
}

//! Output on terminals of 80 and 200 columns, with 40 components and names near their limits:
//! nothing runs past the edge but text that must stay whole, columns line up, and nothing is said
//! by colour alone.

use unicode_width::UnicodeWidthStr as _;

use crate::harness::{Project, Run, World};

const PROD: &str = "production-europe-west-1-customer-facing";

/// Returns a policy of 40 components in three environments, whose names begin and end alike.
fn policy() -> String {
    let components = (1..=40).map(|number| {
        format!(
            "{} = {{ paths = \"s{number:02}/**\" }}\n",
            component(number)
        )
    });
    format!(
        r#"
[groups]
release-managers-and-site-reliability-engineers = ["bob", "carol"]

[environments.dev]
[environments.staging-europe-west-1]
promote_from = "dev"
[environments.{PROD}]
promote_from = "staging-europe-west-1"
soak = "6h"
approvals = {{ required = 2, by = "release-managers-and-site-reliability-engineers" }}
checks = ["test-result", "https://attestations.example.com/supply-chain/vulnerability-scan/v1"]
artifact = "required"
freeze = {{ start = "Thu 00:00", end = "Sat 00:00", reason = "The quarter ends: nothing moves while the books are closed" }}

[checks]
test-result = {{ by = "ci" }}
"https://attestations.example.com/supply-chain/vulnerability-scan/v1" = {{ by = "ci" }}

[artifacts]
by = "ci"

[components]
{}"#,
        components.collect::<String>()
    )
}

fn component(number: usize) -> String {
    format!("service-{number:02}-of-the-online-shop")
}

/// Makes a hold, a lock, an open run, a failed verification and a yank.
fn day(project: &Project<'_>) {
    let (alice, bob, ci) = (&project.alice, &project.bob, &project.ci);
    for number in 1..=40 {
        alice.repo.write(&format!("s{number:02}/x"), "one\n");
    }
    alice.repo.git(&["add", "."]).ok();
    project.push("s01/y", "one\n");
    ci.deploy(&[
        "record",
        "dev",
        "--verification",
        "passed",
        "--version",
        "2026.11.0-rc.1+build.20261121.sha.5114f85",
    ])
    .ok();
    ci.deploy(&[
        "record",
        "staging-europe-west-1",
        "--verification",
        "passed",
    ])
    .ok();
    let subject = "資料庫更新：すべての顧客の注文履歴を新しいスキーマに移行する, and the rest of it in plain words";
    for number in [3, 7, 12, 33] {
        project.world.advance("1m");
        alice
            .repo
            .commit(&format!("s{number:02}/x"), "two\n", subject);
    }
    alice.push(&["HEAD:refs/heads/main"]).ok();
    project.fetch();
    let (three, seven, twelve) = (component(3), component(7), component(12));
    let failed = format!("{seven}=failed");
    ci.deploy(&[
        "record",
        "dev",
        "--component",
        &three,
        "--component",
        &seven,
        "--outcome",
        &failed,
    ])
    .ok();
    ci.deploy(&[
        "record",
        "dev",
        "--component",
        &component(33),
        "--verification",
        "failed",
    ])
    .ok();
    ci.deploy(&[
        "record",
        "dev",
        "--component",
        &twelve,
        "--start",
        "--version",
        "2026.11.0-rc.3",
    ])
    .ok();
    let reason = "Incident 4711: the payment provider answers with errors for one customer in five, and nobody may deploy until \
                  its people have said that it is over; see https://status.example.com/incidents/4711 資料庫の更新";
    bob.deploy(&["lock", PROD, "-m", reason]).ok();
    bob.deploy(&[
        "lock",
        "dev",
        "--component",
        &component(20),
        "-m",
        "A load test runs",
    ])
    .ok();
    bob.deploy(&["sync"]).ok();
}

/// Returns what a terminal of this width shows for a command, with escape codes or without.
fn screen(project: &Project<'_>, columns: usize, colour: bool, arguments: &str) -> String {
    let typed = format!("stty rows 50 cols {columns}; git-deploy {arguments}");
    let mut terminal = project.bob.repo.command("timeout");
    terminal.args(["600", "script", "--quiet", "--command", &typed, "/dev/null"]);
    terminal
        .env("SHELL", "/bin/bash")
        .env("TERM", "xterm-256color")
        .env_remove("COLUMNS");
    if !colour {
        terminal.env("NO_COLOR", "1");
    }
    Run::of(project.world, &mut terminal)
        .text()
        .replace('\r', "")
}

/// Returns whether a line may be wider than the terminal: commands stay whole, so that they can be
/// copied, and so do single addresses.
fn is_whole(line: &str) -> bool {
    let text = line.strip_prefix("remote: ").unwrap_or(line).trim_start();
    text.starts_with("→ ") || text.starts_with("hint: ") || !text.contains(' ')
}

#[test]
fn screens_fit_narrow_and_wide_terminals() {
    let world = World::new();
    let project = Project::new(&world, &policy());
    day(&project);
    let commands = [
        "status",
        &format!("status {PROD}"),
        "status dev --all",
        "status dev --exit-code",
        "log",
        "log --all",
        "show",
        "show dev",
        &format!("check {PROD}"),
        "check dev",
        &format!("diff {PROD}"),
        "diff staging-europe-west-1 dev",
        "contains dev HEAD",
        &format!("contains {PROD} HEAD"),
        "good dev",
        &format!("good {PROD}"),
        "audit",
        "key list",
        &format!("record {PROD}"),
        &format!("record {PROD} --no-verify"),
        "status nowhere",
        &format!("approve {PROD}"),
        &format!("unlock {PROD}"),
    ];
    let mut page = String::new();
    for command in commands {
        for columns in [80, 200] {
            let plain = screen(&project, columns, false, command);
            assert!(!plain.contains('\u{1b}'), "{plain:?}");
            for line in plain.lines() {
                assert!(
                    line.width() <= columns || is_whole(line),
                    "{columns}: {command}:\n{line}\nin\n{plain}"
                );
            }
            // Whoever only looks sees the same again: colours add nothing but themselves.
            if !["approve", "record", "unlock"]
                .iter()
                .any(|it| command.starts_with(it))
            {
                let coloured = screen(&project, columns, true, command);
                assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
            }
            if columns == 80 && !command.contains("--all") {
                page.extend(["$ git deploy ", command, "\n", &plain, "\n\n"]);
            }
        }
    }
    let mut settings = insta::Settings::clone_current();
    // As wide as what they stand for: this is about columns.
    settings.add_filter(r"\bRW[0-9A-Za-z+/]{54}", "K".repeat(56));
    for length in [7, 10, 12] {
        settings.add_filter(&format!(r"\b[0-9a-f]{{{length}}}\b"), "x".repeat(length));
    }
    settings.add_filter(r"/\S*\.key\b", "<FILE>");
    settings.add_filter(r"(?m)^fetched .*? \(update: ", "fetched … (update: ");
    settings.bind(|| insta::assert_snapshot!("page", page));
    // A program reads lines that no terminal's width has cut or folded.
    let piped = project
        .bob
        .repo
        .deploy(&["check", PROD, "--by", "bob"])
        .fails(1)
        .text();
    assert!(
        piped.lines().any(|line| line.contains("The quarter ends")
            && line.ends_with("(Thu 00:00 to Sat 00:00 UTC)")),
        "{piped}"
    );
}

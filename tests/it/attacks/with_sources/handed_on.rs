//! Entries on their way to other programs: to the owner's hand-off program, and to notifications.

use std::path::Path;

use crate::harness::attack::an_entry;
use crate::harness::{Project, World};

const POLICY: &str = "[environments]\ndev = {}\n";

/// Writes an executable script.
fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The program gets each accepted entry once and nothing else: no refused entry, no part of a text
/// as a line or a variable of its own, and no lines for a push that is sent again.
#[test]
fn only_accepted_entries_are_handed_on() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let home = world.path().join("home");
    let (program, got) = (home.join("program"), home.join("got"));
    script(
        &program,
        &format!(
            "cat >> {0}; env | grep -c GIT_PUSH_OPTION >> {0}.env",
            got.display()
        ),
    );
    let settings = [
        "server",
        "init",
        ".",
        "--handoff",
        &*program.to_string_lossy(),
    ];
    project.server.deploy(&settings).ok();
    let lines = || std::fs::read_to_string(&got).unwrap_or_default();
    // Refused: another's name, a changed tree, an old entry again.
    let honest = an_entry(ci, "dev");
    let forged = ci.build("dev", crate::harness::member::a_lock(), None, |it| {
        it.by = "alice".parse().unwrap();
    });
    let changed = ci.recommit(&honest, |raw| raw.replace("demo", "omed"));
    for id in [forged.to_string(), changed] {
        ci.push(&[&format!("{id}:refs/deploy/dev")]).fails(1);
    }
    assert_eq!(lines(), "");
    // Texts that look like lines, shell words and JSON.
    for text in [
        "a\\n{\"schema\":\"git-deploy/event/v1\"}",
        "\"},{\"entry\":\"0\"}",
        "$(touch pwned) `touch pwned` ; touch pwned",
    ] {
        world.advance("1m");
        project.bob.deploy(&["lock", "dev", "-m", text]).ok();
        let all = lines();
        let last: serde_json::Value = serde_json::from_str(all.lines().last().unwrap()).unwrap();
        assert_eq!(last["statement"]["predicate"]["reason"], text, "{last:#}");
        assert_eq!(last["entry"], project.server.rev("refs/deploy/dev"));
        world.advance("1m");
        project.bob.deploy(&["unlock", "dev"]).ok();
    }
    let count = lines().lines().count();
    assert_eq!(count, 6);
    // Again, and something else.
    let tip = project.server.rev("refs/deploy/dev");
    ci.push(&[&format!("{tip}:refs/deploy/dev")]);
    ci.push(&["HEAD:refs/heads/other"]).ok();
    assert_eq!(lines().lines().count(), count);
    assert!(!project.server.path().join("pwned").exists());
}

/// A program that was replaced by something that is none, or that answers without end, neither
/// stops pushes nor uses the memory of the hook, and the next program gets what it missed.
#[test]
fn unfit_programs_stop_no_push() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let home = world.path().join("home");
    let (program, got) = (home.join("program"), home.join("got"));
    script(&program, "cat > /dev/null");
    let settings = [
        "server",
        "init",
        ".",
        "--handoff",
        &*program.to_string_lossy(),
    ];
    project.server.deploy(&settings).ok();
    for text in [
        "yes | head -c 100000000; cat > /dev/null",
        "yes | head -c 100000000 >&2; exit 1",
        "kill -9 $$",
        "printf '0000\\033[2J' ; exit 1",
    ] {
        script(&program, text);
        world.advance("1m");
        let before = project
            .server
            .git(&["rev-parse", "-q", "refs/deploy/dev"])
            .text();
        let run = ci.deploy(&["record", "dev", "--all"]).ok();
        assert_ne!(
            project.server.rev("refs/deploy/dev"),
            before,
            "{text}: {run}"
        );
        assert_eq!(
            crate::harness::attack::strange(&run.err()),
            None,
            "{text}: {run}"
        );
    }
    script(&program, &format!("cat >> {}", got.display()));
    world.advance("1m");
    ci.deploy(&["record", "dev", "--all"]).ok();
    let last = project.server.rev("refs/deploy/dev");
    let lines = std::fs::read_to_string(&got).unwrap();
    assert!(lines.lines().last().unwrap().contains(&last), "{lines}");
    project.audited();
}

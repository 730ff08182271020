//! `git deploy demo`: a newcomer's first command, and the sandbox that it leaves.

use crate::harness::{Repo, Run, Sandbox, World, has_tool, with_random_keys};

/// The tour succeeds in an empty home and shows the server's refusal; the sandbox is sound, and the
/// suggested commands work.
#[test]
fn the_tour_works() {
    let world = World::new();
    let sandbox = Sandbox::new(&world);
    let refused = sandbox
        .transcript
        .find("remote: git-deploy: refused  refs/deploy/prod")
        .unwrap();
    let accepted = sandbox.transcript.find("\nprod is now at ").unwrap();
    assert!(refused < accepted, "{}", sandbox.transcript);
    for rule in ["previous environment", "approvals"] {
        let named = format!("\nremote:   ✗ {rule} ");
        assert!(
            sandbox.transcript[refused..accepted].contains(&named),
            "{}",
            sandbox.transcript
        );
    }
    let mut settings = with_random_keys();
    // The tour's commits are made with the hour's clock.
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<TIME>");
    settings.add_filter("(Date: ).*", "$1<DATE>");
    settings.add_filter(r"\d{8}T\d{6}Z-pr-1-\d+", "<RUN>");
    // How long a step took is said where it took long.
    settings.add_filter(r"(?m)( [✓✗].*)  \d+ s$", "$1");
    settings.bind(|| insta::assert_snapshot!(sandbox.transcript));
    sound(&sandbox.server());
    // Nobody who starts a second tour loses the first.
    world
        .existing("sandbox", "nobody")
        .deploy(&["demo", "."])
        .fails(2);
    things_to_try(&sandbox);
    stays_in_the_sandbox(&world, &sandbox);
}

/// On a terminal the tour waits for Enter between its parts, unless it is told not to.
#[test]
fn the_tour_waits_on_a_terminal() {
    if !has_tool("script") {
        return;
    }
    let world = World::new();
    // The tour's commits have the hour's date.
    world.advance("30000d");
    let folder = world.existing(".", "nobody");
    let tour = |options: &str| {
        let typed =
            format!("yes '' | head -n 99 | script -qefc 'git-deploy demo tour{options}' /dev/null");
        let mut shell = folder.command("sh");
        shell.args(["-c", &typed]).env("TERM", "xterm");
        let text = Run::of(&world, &mut shell).ok().text();
        assert!(text.contains("The sandbox remains in"), "{text}");
        std::fs::remove_dir_all(world.path().join("tour")).unwrap();
        text.matches("Press Enter to continue").count()
    };
    assert_eq!((tour(""), tour(" --no-pause")), (5, 0));
}

/// Deploys to every environment, with a variable of the sample set elsewhere and unset: commands of
/// the sample write only below the sandbox.
fn stays_in_the_sandbox(world: &World, sandbox: &Sandbox<'_>) {
    let outside = world.path().join("outside");
    let environments = ["dev", "qa", "stage", "prod"];
    let mut deployed = 0;
    for variable in [format!("SITES={}", outside.display()), "SITES=".to_owned()] {
        for environment in environments {
            for command in ["run", "promote", "destroy"] {
                let line = format!("env {variable} git-deploy {command} {environment} --yes");
                let run = sandbox.person("alice").run("sh", &["-c", &line]);
                deployed += usize::from(run.succeeded());
            }
        }
    }
    assert!(deployed > 0, "nothing was deployed, so nothing was tried");
    let sites = world.path().join("sandbox/sites");
    for environment in environments {
        // The web servers of the sample.
        if let Ok(pid) = std::fs::read_to_string(sites.join(environment).join("pid")) {
            sandbox.server().run("kill", &[pid.trim()]);
        }
        let root = std::path::Path::new("/").join(environment);
        assert!(environment == "dev" || !root.exists(), "{}", root.display());
        assert!(!root.join("index.html").exists(), "{}", root.display());
    }
    assert!(!outside.exists());
}

fn sound(server: &Repo<'_>) {
    server.git(&["fsck", "--strict", "--no-dangling"]).ok();
    let refs = server
        .git(&["for-each-ref", "--format=%(refname)"])
        .ok()
        .text();
    let refs: Vec<&str> = refs.lines().collect();
    let ledgers = ["dev", "evidence", "policy", "pr", "prod", "qa", "stage"]
        .map(|name| format!("refs/deploy/{name}"));
    let others = ["refs/heads/main", "refs/notes/deploy"].map(str::to_owned);
    assert_eq!(refs, [&ledgers[..], &others[..]].concat());
    // The genesis, two approvals, and the deployment: nothing of the one that was refused.
    let chain = ["rev-list", "--first-parent", "refs/deploy/prod"];
    assert_eq!(server.git(&chain).ok().text().lines().count(), 4);
}

/// Runs the commands that the tour suggests at its end.
fn things_to_try(sandbox: &Sandbox<'_>) {
    let proposed = |person: &str, words: &str, command: &str| {
        let line = sandbox
            .transcript
            .lines()
            .rev()
            .take(3)
            .find(|line| line.contains(&format!(". {person}: ")))
            .unwrap();
        assert!(line.contains(words), "{line}");
        let (place, command) = command.split_once("$ ").unwrap();
        assert!(line.contains(command), "{line}");
        shell(&sandbox.person(place), command)
    };
    let alice = sandbox.person("alice");
    alice.commit("api/server.txt", "api 2\n", "Serve faster");
    alice.git(&["push", "-q"]).ok();
    let status = proposed(
        "alice",
        "change api/server.txt, commit, push",
        "alice$ git deploy record dev --component api && git deploy status",
    );
    let status = status.ok().text();
    let new = &alice.rev("HEAD")[..7];
    assert!(
        status
            .lines()
            .any(|line| line.starts_with("dev ") && line.contains(new)),
        "{status}"
    );
    assert!(
        !status
            .lines()
            .any(|line| line.starts_with("prod ") && line.contains(new)),
        "{status}"
    );

    proposed(
        "bob",
        "then in ci:",
        "bob$ git deploy lock prod -m \"incident 4711\"",
    )
    .ok();
    let check = proposed(
        "bob",
        "then in ci:",
        "ci$ git deploy sync && git deploy check prod",
    )
    .fails(1);
    assert!(
        check.text().contains("✗ lock ") && check.text().contains("incident 4711"),
        "{check}"
    );

    let prod = sandbox.server().rev("refs/deploy/prod");
    let push = proposed(
        "ci",
        "which the server refuses",
        "ci$ git push origin :refs/deploy/prod",
    )
    .fails(1);
    assert!(
        push.err()
            .contains("remote: git-deploy: refused  refs/deploy/prod"),
        "{push}"
    );
    assert_eq!(sandbox.server().rev("refs/deploy/prod"), prod);
}

/// Runs a line as a person types it.
fn shell<'w>(repo: &Repo<'w>, line: &str) -> Run<'w> {
    repo.run("sh", &["-e", "-c", line])
}

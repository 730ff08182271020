//! `git deploy record ENV -- COMMAND`: the command runs only if the rules allow the deployment, and
//! the ledger says what became of it.

use base64::Engine as _;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Project, Run, World, copy_program_to, wait_for};
use crate::run::BackgroundRun;

const POLICY: &str = "[environments]\ndev = {}\nprod = { promote_from = \"dev\", approvals = { required = 1 } }\n\
                      [environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n\
                      [components]\napi = { paths = \"api\" }\nweb = { paths = \"web\" }\n";

/// A script that shows that it ran.
const SCRIPT: &str = "#!/bin/sh\necho \"$0 $*\" >> \"$HOME/ran\"\n";

fn begin(world: &World) -> Project<'_> {
    let project = Project::new(world, POLICY);
    project.push("web/x", "one\n");
    write_script(&project, "deploy.sh", "");
    project
}

/// Writes an executable script to the work tree of the machine.
fn write_script(project: &Project<'_>, name: &str, rest: &str) {
    project.ci.repo.write(name, &format!("{SCRIPT}{rest}"));
    project.ci.repo.run("chmod", &["+x", name]).ok();
}

fn read_home(project: &Project<'_>, file: &str) -> String {
    let path = project.world.path().join("home").join(file);
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Returns the newest entry of an environment on the server.
fn newest(project: &Project<'_>, ledger: &str) -> Value {
    let place = format!("refs/deploy/{ledger}:entry.json");
    let entry = project.server.git(&["cat-file", "blob", &place]).ok();
    entry.json()["predicate"].clone()
}

/// Returns the text of the machine's newest log.
fn read_log(project: &Project<'_>) -> String {
    let logs = project.world.path().join("caches/ci/git-deploy/logs");
    let found = walkdir::WalkDir::new(logs).sort_by_file_name().into_iter();
    let files = found.filter_map(Result::ok);
    let last = files.filter(|it| it.file_type().is_file()).last().unwrap();
    std::fs::read_to_string(last.path()).unwrap()
}

/// Returns the SHA-256 of a log, as entries have it.
fn log_digest(log: &str) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in sha2::Sha256::digest(log.as_bytes()) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Returns the outcome of each component in a finish entry.
fn outcomes(entry: &Value) -> Vec<String> {
    let components = entry["components"].as_array().unwrap().iter();
    components
        .map(|it| {
            format!(
                "{} {}",
                it["component"].as_str().unwrap(),
                it["outcome"].as_str().unwrap()
            )
        })
        .collect()
}

fn record<'w>(project: &Project<'w>, arguments: &[&str]) -> Run<'w> {
    project.ci.deploy(&[&["record"], arguments].concat())
}

#[test]
fn a_successful_command_is_recorded_with_its_status_time_and_output() {
    let world = World::new();
    let project = begin(&world);
    write_script(
        &project,
        "deploy.sh",
        "echo hello; echo \"$DEPLOY_ENV $DEPLOY_COMPONENTS\" >&2; pwd > $HOME/folder; test \"$DEPLOY_COMMIT\" = \"$(git rev-parse HEAD)\"\n",
    );
    let run = record(
        &project,
        &[
            "dev",
            "--label",
            "ticket=OPS-7",
            "--verification",
            "passed",
            "--",
            "./deploy.sh",
            "dev",
            "a b",
        ],
    )
    .ok();
    assert!(run.text().contains("\nhello\n"), "{run}");
    assert!(run.err().contains("dev api web"), "{run}");
    assert_eq!(read_home(&project, "ran"), "./deploy.sh dev a b\n");
    assert_eq!(
        read_home(&project, "folder").trim_end(),
        project.ci.repo.path().to_str().unwrap()
    );
    let finish = newest(&project, "dev");
    assert_eq!(finish["action"], "finish");
    assert_eq!(finish["labels"]["ticket"], "OPS-7");
    assert_eq!(outcomes(&finish), ["api succeeded", "web succeeded"]);
    let log = read_log(&project);
    let digest = log_digest(&log);
    for command in finish["commands"].as_array().unwrap() {
        assert_eq!(
            (&command["step"], &command["status"]),
            (&"apply".into(), &0.into())
        );
        assert_eq!(command["size"], log.len());
        assert_eq!(command["output"], digest);
        assert!(command["milliseconds"].is_u64());
    }
    assert_eq!(finish["commands"].as_array().unwrap().len(), 2);
    // Nothing differs now: the command is not run, which is said, and --all runs it.
    let run = record(&project, &["dev", "--", "./deploy.sh", "again"]).ok();
    assert!(
        run.words_of_err().contains("The command was not run"),
        "{run}"
    );
    assert!(!read_home(&project, "ran").contains("again"));
    record(&project, &["dev", "--all", "--", "./deploy.sh", "again"]).ok();
    assert!(read_home(&project, "ran").contains("again"));
    // One component, at another commit, in an environment of a pattern.
    write_script(
        &project,
        "one.sh",
        "echo \"$DEPLOY_COMPONENTS $DEPLOY_COMMIT\" > $HOME/one\n",
    );
    record(
        &project,
        &["pr-7", "HEAD~1", "--component", "api", "--", "./one.sh"],
    )
    .ok();
    let commit = project.ci.repo.rev("HEAD~1");
    assert_eq!(read_home(&project, "one"), format!("api {commit}\n"));
    project.audited();
}

/// Each reason why a command does not run, or fails, has its exit code. What is refused runs nothing
/// and writes nothing.
#[test]
fn exit_codes_tell_refused_waiting_unknown_and_failed_apart() {
    let world = World::new();
    let project = begin(&world);
    let nothing_ran = |code: i32, arguments: &[&str], words: &str| {
        let before = project.refs();
        let run = record(&project, &[arguments, &["--", "./deploy.sh"]].concat()).fails(code);
        let text = format!("{} {}", run.text(), run.words_of_err());
        assert!(text.contains(words), "{words}: {run}");
        assert_eq!(
            (read_home(&project, "ran"), project.refs()),
            (String::new(), before)
        );
    };
    nothing_ran(1, &["prod"], "dev never ran");
    nothing_ran(
        0,
        &["dev", "--dry-run"],
        "the command was not run, and nothing was written",
    );
    nothing_ran(2, &["prd"], "prod");
    nothing_ran(2, &["dev", "--start"], "cannot be used with");
    nothing_ran(2, &["dev", "--outcome", "failed"], "cannot be used with");
    nothing_ran(2, &["dev", "--no-verify"], "cannot be used with");
    nothing_ran(2, &["dev", "--verification", "db=passed"], "db");
    project.ci.repo.write("plain.sh", SCRIPT);
    for (name, first_line) in [
        ("nope.sh", "#!/nope/sh"),
        ("env.sh", "#!/usr/bin/env no-such-program"),
        ("windows.sh", "#!/bin/sh\r"),
    ] {
        project
            .ci
            .repo
            .write(name, &format!("{first_line}\necho\n"));
        project.ci.repo.run("chmod", &["+x", name]).ok();
    }
    for (command, words) in [
        (
            &["./nope.sh"][..],
            "no program /nope/sh, which its first line names",
        ),
        (&["./env.sh"], "no program no-such-program"),
        (&["./windows.sh"], "sed -i.bak 's/\\r$//' ./windows.sh"),
        (&["./plain.sh"], "chmod +x ./plain.sh"),
        (&["deploy.sh"], "./deploy.sh"),
        (&["./missing"], "there is no command"),
        (&["missing-program"], "there is no command"),
        (&[""], "no command after --"),
        (&[], "no command after --"),
    ] {
        let before = project.refs();
        let run = record(&project, &[&["dev", "--"], command].concat()).fails(2);
        assert!(run.words_of_err().contains(words), "{run}");
        assert_eq!(project.refs(), before);
    }
    project.alice.deploy(&["record", "dev"]).ok();
    nothing_ran(5, &["prod"], "git deploy approve prod");
    project.bob.deploy(&["approve", "prod"]).ok();
    // Nothing is known about what others have done since.
    let repo = &project.ci.repo;
    repo.git(&["remote", "set-url", "origin", "/nowhere"]).ok();
    nothing_ran(3, &["prod"], "/nowhere");
    repo.git(&["remote", "set-url", "origin", &project.server.url()])
        .ok();
    write_script(&project, "deploy.sh", "echo broken; exit 3\n");
    let run = record(&project, &["prod", "--", "./deploy.sh"]).fails(4);
    let words = run.words_of_err();
    assert!(
        words.contains("the command failed in prod: exit status 3"),
        "{run}"
    );
    assert!(words.contains("less "), "{run}");
    let finish = newest(&project, "prod");
    assert_eq!(outcomes(&finish), ["api failed", "web failed"]);
    assert_eq!(finish["commands"][0]["status"], 3);
    // What failed is on hold.
    let run = record(&project, &["prod", "--", "./deploy.sh"]).fails(1);
    assert!(run.err().contains("git deploy unlock prod"), "{run}");
    project.audited();
}

/// A component whose commands the policy has is deployed by `run`, not by another command beside them.
#[test]
fn components_with_apply_are_not_wrapped() {
    let world = World::new();
    let project = begin(&world);
    project.publish(&POLICY.replace(
        "web = { paths = \"web\"",
        "web = { paths = \"web\", apply = \"true\"",
    ));
    let before = project.refs();
    let run = record(&project, &["dev", "--", "./deploy.sh"]).fails(1);
    assert!(run.err().contains("git deploy run dev"), "{run}");
    assert_eq!(
        (read_home(&project, "ran"), project.refs()),
        (String::new(), before)
    );
    record(
        &project,
        &["dev", "--component", "api", "--", "./deploy.sh"],
    )
    .ok();
}

/// Clients check the rules themselves where no server does.
#[test]
fn a_host_without_hooks_refuses_and_records_as_well() {
    let world = World::new();
    let project = begin(&world);
    for hook in ["pre-receive", "proc-receive"] {
        std::fs::remove_file(project.server.path().join("hooks").join(hook)).unwrap();
    }
    let server = &project.server;
    server.git(&["config", "--unset-all", "receive.procReceiveRefs"]);
    record(&project, &["prod", "--", "./deploy.sh"]).fails(1);
    assert_eq!(read_home(&project, "ran"), "");
    record(&project, &["dev", "--", "./deploy.sh"]).ok();
    project.bob.deploy(&["approve", "prod"]).ok();
    record(&project, &["prod", "--", "./deploy.sh"]).ok();
    assert_eq!(
        outcomes(&newest(&project, "prod")),
        ["api succeeded", "web succeeded"]
    );
}

/// The command has all variables of its caller except the key, cannot read it from another process,
/// and its secrets are in neither the output nor the log.
#[test]
fn the_command_gets_no_key_and_its_secrets_are_masked() {
    let world = World::new();
    let project = begin(&world);
    write_script(
        &project,
        "deploy.sh",
        "env > $HOME/seen\nprocess=$PPID\nwhile test \"$process\" -gt 1; do cat /proc/$process/environ >> $HOME/seen 2> /dev/null\n\
         process=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$process/status); done\n\
         echo \"token $API_TOKEN\"; echo \"$API_TOKEN\" | base64 >&2; echo \"region $REGION\"\n",
    );
    let repo = &project.ci.repo;
    let key = read_home(&project, "ci.key");
    let secret = key.lines().nth(1).unwrap();
    repo.git(&["config", "--unset", "deploy.key"]).ok();
    // The caller's shell has the key, too.
    let mut shell = repo.command("sh");
    shell.args(["-c", "git-deploy record dev -- ./deploy.sh; exit $?"]);
    shell.env("GIT_DEPLOY_KEY", &key).env("CI_SIGNING", &key);
    let encoded = base64::engine::general_purpose::STANDARD.encode(&key);
    shell.env("CI_ENCODED", &encoded);
    shell
        .env("API_TOKEN", "s3cret-of-the-team")
        .env("REGION", "eu-west-1");
    let run = Run::of(&world, &mut shell).ok();
    let seen = String::from_utf8_lossy(&std::fs::read(world.path().join("home/seen")).unwrap())
        .into_owned();
    assert!(seen.contains("API_TOKEN=s3cret-of-the-team") && seen.contains("REGION=eu-west-1"));
    assert!(
        !seen.contains(secret) && !seen.contains(&encoded) && !seen.contains("GIT_DEPLOY_KEY"),
        "{seen}"
    );
    let left_out = "CI_ENCODED, CI_SIGNING, which contain the signing key";
    assert!(run.words_of_err().contains(left_out), "{run}");
    assert_eq!(run.err().matches("CI_ENCODED").count(), 1, "{run}");
    for text in [format!("{}\n{}", run.text(), run.err()), read_log(&project)] {
        assert!(
            text.contains("token ***") && text.contains("region eu-west-1"),
            "{text}"
        );
        assert!(
            !text.contains("s3cret") && !text.contains("czNjcmV0"),
            "{text}"
        );
    }
}

/// SIGTERM, and the second Ctrl-C, end the command; the first lets it finish. Each end is recorded.
#[test]
fn an_interrupted_command_is_recorded_as_what_it_was() {
    let world = World::new();
    let project = begin(&world);
    write_script(
        &project,
        "deploy.sh",
        "touch $HOME/there; for i in $(seq 10000); do test -e $HOME/go && break; sleep 0.03; done\n",
    );
    let home = world.path().join("home");
    let begin_run = |signals: &[Signal]| {
        let run = BackgroundRun::begin(
            &project.ci.repo,
            &["record", "dev", "--all", "--", "./deploy.sh"],
        );
        wait_for("the command does not start", || {
            home.join("there").exists().then_some(())
        });
        std::fs::remove_file(home.join("there")).unwrap();
        for signal in signals {
            run.signal(*signal);
            run.says("interrupted");
        }
        run
    };
    let drained = begin_run(&[Signal::INT]);
    std::fs::write(home.join("go"), "").unwrap();
    drained.ends_with(0);
    assert_eq!(
        outcomes(&newest(&project, "dev")),
        ["api succeeded", "web succeeded"]
    );
    std::fs::remove_file(home.join("go")).unwrap();
    project.push("api/x", "two\n");
    write_script(&project, "deploy.sh", "touch $HOME/there; sleep 1000\n");
    let cancelled = begin_run(&[Signal::TERM]);
    let words = cancelled.ends_with(4);
    assert!(
        words.contains("the command was cancelled in dev"),
        "{words}"
    );
    let finish = newest(&project, "dev");
    assert_eq!(outcomes(&finish), ["api failed", "web failed"]);
    assert_eq!(finish["commands"][0]["status"], 130);
    // Nothing says that the code is bad. It may be there in part, so a person lifts the hold.
    project.bob.deploy(&["sync"]).ok();
    let log = project.bob.deploy(&["log", "dev", "--json"]).ok().json();
    assert_eq!(log["entries"][0]["result"], "cancelled");
    let status = project.bob.deploy(&["status", "dev"]).ok();
    assert!(
        status.text().contains("deployment was cancelled"),
        "{status}"
    );
    let check = project.bob.deploy(&["check", "dev"]).fails(1);
    assert!(check.text().contains("was cancelled"), "{check}");
    let unlock = check.text();
    let unlock = unlock
        .lines()
        .find_map(|line| line.trim().strip_prefix("→ git "))
        .unwrap();
    project
        .bob
        .repo
        .git(&unlock.split(' ').collect::<Vec<_>>())
        .ok();
    project.ci.deploy(&["sync"]).ok();
    write_script(&project, "deploy.sh", "");
    record(&project, &["dev", "--all", "--", "./deploy.sh"]).ok();
}

/// Returns the commands that a screen suggests after this label.
fn suggested(run: &Run<'_>, label: &str) -> Vec<String> {
    let text = run.err();
    let lines = text.lines().map(str::trim);
    let commands = lines.filter_map(|line| line.strip_prefix(label)?.strip_prefix(": "));
    commands.map(str::to_owned).collect()
}

/// What is suggested for deployments that a person's own command makes runs that command again, and never
/// records a deployment that no one made.
#[test]
fn suggestions_run_the_command_again() {
    let world = World::new();
    let project = begin(&world);
    let ci = &project.ci;
    // Never deployed in this way: both ways are named.
    ci.deploy(&["record", "dev"]).ok();
    project.push("web/x", "recorded\n");
    let run = ci.deploy(&["run", "dev", "--yes"]).fails(2);
    let own = suggested(&run, "with your own command");
    assert!(own[0].ends_with("--component web -- COMMAND"), "{run}");
    assert!(
        !suggested(&run, "after another system did it")[0].contains("--".repeat(2).as_str()),
        "{run}"
    );
    // A failure names the same command for the commit before it.
    record(&project, &["dev", "--", "./deploy.sh", "it's dev"]).ok();
    let good = project.ci.repo.rev("HEAD");
    project.push("web/x", "bad\n");
    write_script(
        &project,
        "deploy.sh",
        "test \"$(git show $DEPLOY_COMMIT:web/x)\" != bad\n",
    );
    let failed = record(&project, &["dev", "--", "./deploy.sh", "it's dev"]).fails(4);
    let back = suggested(&failed, "hint").pop().unwrap();
    let expected = format!(
        "git deploy record dev {} --rollback --component web -- ./deploy.sh 'it'\\''s dev'",
        &good[..12]
    );
    assert_eq!(back, expected, "{failed}");
    ci.repo.run("sh", &["-c", &back]).ok();
    // A forgotten commit keeps the command, and what is printed without one records nothing.
    let forgotten = record(
        &project,
        &[
            "dev",
            "--rollback",
            "--component",
            "web",
            "--",
            "./deploy.sh",
            "a b",
        ],
    )
    .fails(2);
    let hint = suggested(&forgotten, "hint").remove(0);
    assert_eq!(
        hint,
        "git deploy record dev REV --rollback --component web -- ./deploy.sh 'a b'"
    );
    project.push("web/x", "three\n");
    record(&project, &["dev", "--", "./deploy.sh"]).ok();
    let rollback = ci.deploy(&["rollback", "dev", "--yes"]).fails(2);
    let hint = suggested(&rollback, "hint").remove(0);
    let expected = format!(
        "git deploy record dev {} --rollback --component web -- COMMAND",
        &good[..12]
    );
    assert_eq!(hint, expected, "{rollback}");
    let before = newest(&project, "dev");
    ci.repo.run("sh", &["-c", &hint]).fails(2);
    assert_eq!(newest(&project, "dev"), before);
    ci.repo
        .run("sh", &["-c", &hint.replace("COMMAND", "./deploy.sh")])
        .ok();
    assert_eq!(newest(&project, "dev")["kind"], "rollback");
}

/// The command gets the names of the components that it deploys and removes, and not the former name of a
/// renamed one. The screens name no commit for what was removed.
#[test]
fn the_command_gets_current_names() {
    let world = World::new();
    let project = begin(&world);
    write_script(
        &project,
        "names.sh",
        "echo \"deploy=$DEPLOY_COMPONENTS remove=$DEPLOY_REMOVED\"\n",
    );
    record(&project, &["dev", "--", "./names.sh"]).ok();
    project.publish("[environments]\ndev = {}\n[components]\nsite = { paths = \"web\", renamed_from = \"web\" }\napi = { paths = \"api\" }\n");
    project.ci.deploy(&["sync"]).ok();
    project.push("web/x", "renamed\n");
    let run = record(&project, &["dev", "--", "./names.sh"]).ok();
    assert!(run.text().contains("deploy=site remove="), "{run}");
    assert!(run.text().contains("dev no longer has web."), "{run}");
    project.alice.repo.git(&["rm", "-q", "-r", "web"]).ok();
    project.push("api/x", "alone\n");
    let run = record(&project, &["dev", "--destroy", "--", "./names.sh"]).ok();
    assert!(run.text().contains("deploy=api remove=site"), "{run}");
    let log = project.ci.deploy(&["log", "dev"]).ok();
    assert!(log.text().contains("site destroyed"), "{log}");
}

/// After a kill nobody knows how the deployment ended: the next command says how to record it.
#[test]
fn a_killed_run_blocks_the_next_one_which_says_how_to_end_it() {
    let world = World::new();
    let project = begin(&world);
    write_script(&project, "deploy.sh", "touch $HOME/there; sleep 1000\n");
    let run = BackgroundRun::begin(&project.ci.repo, &["record", "dev", "--", "./deploy.sh"]);
    let there = world.path().join("home/there");
    wait_for("the command does not start", || {
        there.exists().then_some(())
    });
    run.dies();
    let next = record(&project, &["dev", "--", "./deploy.sh"]).fails(1);
    let text = format!("{} {}", next.text(), next.words_of_err());
    assert!(text.contains("unfinished"), "{next}");
    assert!(text.contains("git deploy abort dev --run 1"), "{next}");
    assert!(!text.contains("git deploy resume"), "{next}");
    record(
        &project,
        &["dev", "--finish", "--run", "1", "--outcome", "failed"],
    )
    .ok();
    assert_eq!(
        outcomes(&newest(&project, "dev")),
        ["api failed", "web failed"]
    );
    project.audited();
}

/// With `isolation = "files"`, the command writes only where the policy allows it.
#[test]
fn the_command_is_isolated_as_the_environment_says() {
    let world = World::outside_of_tmp();
    let policy = "[environments]\ndev = { isolation = \"files\" }\n[components]\napi = { paths = \"api\", writable = [\"~/out\"] }\n";
    let project = Project::new(&world, policy);
    std::fs::create_dir(world.path().join("home/out")).unwrap();
    project.ci.repo.write("deploy.sh", "#!/bin/sh\necho x > $HOME/out/x && echo x > $TMPDIR/x && ! echo x > $HOME/x && ! echo x > .git/x\n");
    project.ci.repo.run("chmod", &["+x", "deploy.sh"]).ok();
    // The build folder may be in /tmp, where isolated commands may write.
    let program = world.path().join("git-deploy");
    copy_program_to(&program);
    let mut command = project.ci.repo.command(program.to_str().unwrap());
    command.env("PATH", std::env::var_os("PATH").unwrap());
    Run::of(&world, command.args(["record", "dev", "--", "./deploy.sh"])).ok();
    assert_eq!(read_home(&project, "out/x"), "x\n");
    assert_eq!(read_home(&project, "x"), "");
}

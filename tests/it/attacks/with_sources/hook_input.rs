//! What reaches the hooks beside the objects: packets, variables, push options, other hooks.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::attack::an_entry;
use crate::harness::{AttackRunner, Project, Repo, Run, World};

const POLICY: &str =
    "[environments]\ndev = {}\nprod = { branch = \"prod\", deploy_on = \"approval\" }\n";

/// Writes bytes to a hook of ours, as a program that is not git could, and returns what it said and
/// whether it succeeded.
fn call_hook(server: &Repo<'_>, hook: &str, input: &[u8]) -> (bool, String) {
    let mut child = server
        .command("git-deploy")
        .args(["hook", hook])
        .env("GIT_DIR", server.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A hook that has heard enough does not read to the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        output.status.success(),
        said + &String::from_utf8_lossy(&output.stderr),
    )
}

fn packet(bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat()
}

/// proc-receive moves nothing for input that is not git's: no version, other versions, impossible
/// lengths, commands that are none, and input that ends early or does not end.
#[test]
fn packets_that_are_not_gits_move_nothing() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let next = an_entry(ci, "dev");
    let zero = "0".repeat(next.len());
    // The objects are there, so that only the packets are wrong.
    ci.push(&[&format!("{next}:refs/heads/objects")]).ok();
    let command = packet(format!("{zero} {next} refs/deploy/dev").as_bytes());
    let version = [packet(b"version=1\0atomic"), b"0000".to_vec()].concat();
    let attacks: [(&str, Vec<u8>); 10] = [
        ("nothing at all", vec![]),
        ("no version", [b"0000", &command[..], b"0000"].concat()),
        (
            "another version",
            [&packet(b"version=2")[..], b"0000", &command, b"0000"].concat(),
        ),
        ("a length below four", [&version[..], b"0003"].concat()),
        (
            "a length with a sign",
            [&version[..], b"+05f", &command].concat(),
        ),
        (
            "a length above git's",
            [&version[..], b"ffff", &b"x".repeat(70_000)].concat(),
        ),
        (
            "a command that ends early",
            [&version[..], &command[..20]].concat(),
        ),
        ("no end of the commands", [&version[..], &command].concat()),
        (
            "a command without a ref",
            [
                &version[..],
                &packet(format!("{zero} {next}").as_bytes()),
                b"0000",
            ]
            .concat(),
        ),
        (
            "commands without end",
            [&version[..], &command.repeat(200_000)].concat(),
        ),
    ];
    let before = project.refs();
    for (attack, input) in attacks {
        let (succeeded, said) = call_hook(&project.server, "proc-receive", &input);
        assert!(!succeeded, "{attack}: {said}");
        assert_eq!(project.refs(), before, "{attack}: {said}");
    }
    // The control: the same command in git's packets, from git itself.
    ci.push(&[&format!("{next}:refs/deploy/dev")]).ok();
}

/// Variables that a host's configuration lets a pusher set (with `AcceptEnv`, say) change neither
/// which objects a hook judges nor its verdict.
#[test]
fn variables_of_a_pusher_admit_nothing() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let code = ci
        .repo
        .commit("api/x", "unapproved\n", "Change without approval");
    let attacks = AttackRunner::of(&project);
    let foreign = ci.repo.path().join(".git/objects");
    let foreign = foreign.to_string_lossy();
    for (name, value) in [
        ("GIT_QUARANTINE_PATH", &*foreign),
        ("GIT_OBJECT_DIRECTORY", &*foreign),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", &*foreign),
        ("GIT_NAMESPACE", "x"),
        ("GIT_GRAFT_FILE", "/dev/stdin"),
        ("GIT_REPLACE_REF_BASE", "refs/heads/"),
        ("GIT_SHALLOW_FILE", "/dev/null"),
        ("GIT_CONFIG_PARAMETERS", "'deploy.admin'='x'"),
        ("GIT_PUSH_OPTION_COUNT", "18446744073709551615"),
    ] {
        let receive = format!(
            "env {}='{}' git-receive-pack",
            name,
            value.replace('\'', r"'\''")
        );
        attacks.fails(name, || {
            ci.push(&[
                &format!("--receive-pack={receive}"),
                &format!("{code}:refs/heads/prod"),
            ])
        });
    }
    attacks.finish();
}

/// A push option is neither a setting nor a text for the terminal.
#[test]
fn push_options_change_and_print_nothing() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    project
        .server
        .git(&["config", "receive.advertisePushOptions", "true"])
        .ok();
    let code = ci
        .repo
        .commit("api/x", "unapproved\n", "Change without approval");
    let attacks = AttackRunner::of(&project);
    for option in [
        "deploy.skip",
        "deploy.admin=ci",
        "force",
        "--no-verify",
        "\u{1b}[2Jdeploy\u{202e}",
        &"x".repeat(60_000),
    ] {
        let said = attacks.refused(option, &["branch"], || {
            ci.push(&["-o", option, &format!("{code}:refs/heads/prod")])
        });
        assert_eq!(crate::harness::attack::strange(&said), None, "{said:?}");
    }
    let next = an_entry(ci, "dev");
    ci.push(&["-o", "anything", &format!("{next}:refs/deploy/dev")])
        .ok();
    attacks.finish();
}

/// A hook that was there before ours can refuse a push, but its success admits nothing, and neither
/// does what it writes, reads, or leaves behind.
#[test]
fn earlier_hooks_admit_nothing() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let code = ci
        .repo
        .commit("api/x", "unapproved\n", "Change without approval");
    let next = an_entry(ci, "dev");
    let bad = ci.recommit(&next, |raw| raw.replace("demo", "omed"));
    for (attack, script) in [
        ("it succeeds", "exit 0"),
        ("it reads nothing", "exec < /dev/null"),
        ("it reads everything", "cat > /dev/null"),
        (
            "it prints what git expects of a hook",
            "printf '000eversion=1\\n0000'; echo ok refs/heads/prod",
        ),
        (
            "it prints more than fits",
            "yes | head -c 1000000; yes | head -c 1000000 >&2",
        ),
        ("it stays in the background", "(sleep 3) > /dev/null 2>&1 &"),
    ] {
        project
            .server
            .hook("pre-receive.local", &format!("#!/bin/sh\n{script}\n"));
        let before = project.refs();
        for refspec in [
            format!("{code}:refs/heads/prod"),
            format!("{bad}:refs/deploy/dev"),
        ] {
            let run: Run<'_> = ci.push(&[&refspec]);
            assert!(!run.succeeded(), "{attack}: {run}");
            assert_eq!(project.refs(), before, "{attack}");
        }
    }
    ci.push(&[&format!("{next}:refs/deploy/dev")]).ok();
    project
        .server
        .hook("pre-receive.local", "#!/bin/sh\nexit 1\n");
    let next = an_entry(ci, "dev");
    ci.push(&[&format!("{next}:refs/deploy/dev")]).fails(1);
}

//! A shell replaces `$TOKEN` before the program sees it: the value of a secret in an argument is
//! neither printed nor recorded.

use super::RunFixture;
use crate::harness::{Member, Run, World};

const TOKEN: &str = "tok-4711 'x'\"y/z";
/// No way of quoting changes it.
const PLAIN: &str = "4711-plain-secret";
const POLICY: &str = "[environments]\n\
    dev = { exec_by = [\"ci\", \"alice\"] }\n\
    prod = { exec_by = [\"ci\", \"alice\"], approvals = 1 }\n";
/// `read` is written whenever the secrets are read.
const SECRETS: &str = "secrets = { TOKEN = \"echo >> $HOME/read; cat $HOME/vault/token\", \
    PLAIN = \"cat $HOME/vault/plain\" }";

fn fixture(world: &World) -> RunFixture<'_> {
    let play = RunFixture::new(world, POLICY, &[("net", SECRETS)]);
    std::fs::create_dir(play.home("vault")).unwrap();
    std::fs::write(play.home("vault/token"), TOKEN).unwrap();
    std::fs::write(play.home("vault/plain"), PLAIN).unwrap();
    for name in ["dev", "prod"] {
        play.project.bob.deploy(&["sync"]).ok();
        if name == "prod" {
            play.project.bob.deploy(&["approve", name]).ok();
        }
        play.project
            .ci
            .deploy(&["record", name, "--all", "--external"])
            .ok();
    }
    play
}

/// Checks that a text has neither secret, in any of the spellings that the arguments have.
#[track_caller]
fn holds_none(place: &str, text: &str) {
    for piece in [
        "tok-4711",
        "4711-plain",
        "NDcxMS1wbGFpbi1zZWNyZX",
        "4711%2Dplain",
    ] {
        assert!(!text.contains(piece), "{place}: {piece} in\n{text}");
    }
}

/// Checks what a command prints and what the repositories hold. The command itself has the secret.
#[track_caller]
fn prints_none(run: &Run<'_>) {
    holds_none("output", &run.text());
    holds_none("errors", &run.err());
}

fn exec<'w>(member: &Member<'w>, env: &str, words: &[&str]) -> Run<'w> {
    let exec = ["exec", env, "--yes", "--component", "net", "--"];
    member.deploy(&[&exec, words].concat())
}

/// The command gets the secret, and the entry `***`, wherever in the words it is.
#[test]
fn secrets_in_commands_are_masked() {
    let world = World::new();
    let play = fixture(&world);
    let ci = &play.project.ci;
    let option = format!("--password={PLAIN}");
    let url = "https://host/4711%2Dplain%2Dsecret";
    let split: Vec<&str> = TOKEN.split(' ').collect();
    let same = ["sh", "-c", "test \"$1\" = \"$TOKEN\"", "sh", TOKEN];
    let inside = format!("printf %s '{PLAIN}' > /dev/null");
    let commands: [&[&str]; 8] = [
        &["echo", PLAIN],
        &["echo", TOKEN],
        &["echo", &option],
        &["echo", "user:NDcxMS1wbGFpbi1zZWNyZXQ="],
        &["echo", url],
        &["echo", split[0], split[1]],
        &["sh", "-c", &inside],
        &same,
    ];
    for words in commands {
        let run = exec(ci, "dev", words).ok();
        prints_none(&run);
        assert!(run.text().contains("***"), "{}", run.text());
        prints_none(&ci.deploy(&["log", "dev"]).ok());
        prints_none(&ci.deploy(&["log", "dev", "--json"]).ok());
    }
    // Those who fail say no more.
    prints_none(&exec(ci, "dev", &["false", PLAIN]).fails(4));
    prints_none(&exec(ci, "dev", &["/not-there", PLAIN]).fails(2));
    // What is no secret is recorded as it is.
    let run = exec(ci, "dev", &["echo", "4711 & more"]).ok();
    assert!(
        run.text().contains("Run in dev: echo '4711 & more'"),
        "{run}"
    );
    for repo in [&ci.repo, &play.project.server] {
        let all = ["cat-file", "--batch", "--batch-all-objects", "--unordered"];
        let objects = repo.command("git").args(all).output().unwrap().stdout;
        holds_none("objects", &String::from_utf8_lossy(&objects));
    }
    play.project.audited();
}

/// An approval is for the masked command. Nothing is printed of a command that waits or is refused,
/// and no secret is read for one that is refused.
#[test]
fn secrets_in_commands_that_are_not_run() {
    let world = World::new();
    let play = fixture(&world);
    let (ci, bob) = (&play.project.ci, &play.project.bob);
    let waits = exec(ci, "prod", &["echo", PLAIN]).fails(5);
    prints_none(&waits);
    assert!(
        waits
            .words_of_err()
            .contains("--component net --exec -- echo '***'"),
        "{}",
        waits.err()
    );
    bob.deploy(&["sync"]).ok();
    let words = [
        "approve",
        "prod",
        "--component",
        "net",
        "--exec",
        "--",
        "echo",
        "***",
    ];
    bob.deploy(&words).ok();
    std::fs::remove_file(play.home("read")).unwrap();
    play.project
        .bob
        .deploy(&["lock", "prod", "-m", "incident"])
        .ok();
    prints_none(&exec(ci, "prod", &["echo", PLAIN]).fails(1));
    prints_none(&exec(&play.project.carol, "dev", &["echo", PLAIN]).fails(1));
    assert!(!play.home("read").exists(), "a secret was read");
    play.project.bob.deploy(&["unlock", "prod"]).ok();
    exec(ci, "prod", &["echo", PLAIN]).ok();
    play.project.audited();
}

/// An entry that would contain the value of a variable with the name of a secret is not written,
/// whatever text has it. Without the variable, or with another one, the same words are accepted.
#[test]
fn known_secrets_in_texts_are_refused() {
    let world = World::new();
    let play = fixture(&world);
    let ci = &play.project.ci;
    let message = format!("use {PLAIN} for now");
    let version = format!("v1+{PLAIN}");
    let url = format!("https://ci.example/{PLAIN}");
    let label = format!("key={PLAIN}");
    let command = format!("--password={PLAIN}");
    let bob = &play.project.bob;
    let texts: [(&Member<'_>, &[&str]); 7] = [
        (ci, &["lock", "dev", "-m", &message]),
        (ci, &["record", "dev", "--all", "-m", &message]),
        (ci, &["run", "dev", "--all", "--yes", "-m", &message]),
        (ci, &["run", "dev", "--all", "--yes", "--label", &label]),
        (
            ci,
            &["attest", "test-result", "--result", "passed", "--url", &url],
        ),
        (ci, &["record", "dev", "--all", "--version", &version]),
        (
            bob,
            &[
                "approve",
                "prod",
                "--component",
                "net",
                "--exec",
                "--",
                "echo",
                &command,
            ],
        ),
    ];
    for (member, words) in texts {
        let before = play.project.refs();
        let with = |name: &str| {
            let mut run = member.repo.command("git-deploy");
            Run::of(&world, run.args(words).env(name, PLAIN))
        };
        let run = with("PLAIN").fails(2);
        prints_none(&run);
        assert!(run.err().contains("the secret PLAIN"), "{}", run.err());
        assert_eq!(play.project.refs(), before);
    }
    let lock = ["lock", "dev", "-m", &message];
    let mut run = ci.repo.command("git-deploy");
    Run::of(&world, run.args(lock).env("OTHER", PLAIN)).ok();
}

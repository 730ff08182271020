//! No command of a policy gets at the signing key, and the key may belong to another user.
//!
//! Root can read everything, so as root everything here is done as other users.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use super::{BackgroundRun, RunFixture};
use crate::harness::{Repo, Run, World, copy_program_to, has_tool, skip};

/// The users who run deployments and who have the key. No real user has these numbers.
const RUNNER: u32 = 61_001;
const KEEPER: u32 = 61_002;

/// Returns whether this process may do everything.
pub fn root() -> bool {
    rustix::process::getuid().is_root()
}

/// Prepares our program as the runner: a copy, because other users may not be able to read the
/// build folder.
pub fn as_runner(repo: &Repo<'_>, arguments: &[&str]) -> Command {
    let path = repo.world().path();
    let binary = path.join("git-deploy");
    if !binary.exists() {
        copy_program_to(&binary);
    }
    let mut command = if root() {
        let mut command = repo.command("setpriv");
        command
            .args([
                format!("--reuid={RUNNER}"),
                format!("--regid={RUNNER}"),
                "--clear-groups".to_owned(),
            ])
            .arg(binary);
        command
    } else {
        repo.command(&binary.to_string_lossy())
    };
    // The hooks of the server find it here.
    let machine = std::env::var("PATH").unwrap();
    command
        .args(arguments)
        .env("PATH", format!("{}:{machine}", path.display()));
    command
}

/// Gives the whole world to the runner.
pub fn give(world: &World) {
    if root() {
        let given = Command::new("chown")
            .args(["-R", &format!("{RUNNER}:{RUNNER}")])
            .arg(world.path())
            .status();
        assert!(given.unwrap().success());
    }
}

/// A command that reads everything that a process of the same user can read.
const CURIOUS: &str = r#"env > $HOME/seen
process=$PPID
while test "$process" -gt 1 && test -O /proc/$process/status -o "$process" = $PPID; do
    echo "looked at $(cat /proc/$process/comm)" >> $HOME/seen
    cat /proc/$process/environ >> $HOME/seen 2> /dev/null
    (: < /proc/$process/mem) 2> /dev/null && echo "memory of $process is open" >> $HOME/seen
    for file in /proc/$process/fd/*; do test -e $file && echo "a file of $process is open" >> $HOME/seen; done
    process=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$process/status)
done
for file in /proc/self/fd/*; do echo "open: $(readlink $file)" >> $HOME/seen; done
if touch ./here 2> /dev/null || echo x 2> /dev/null >> n; then echo "the checkout can be written" >> $HOME/seen; fi
touch $TMPDIR/mine && mkdir $TMPDIR/locked && touch $TMPDIR/locked/file && chmod 555 $TMPDIR/locked
cat $HOME/ci.key >> $HOME/seen 2> /dev/null
exit 0
"#;

#[test]
fn no_command_sees_the_key() {
    if !Path::new("/proc/self/environ").exists() {
        skip("needs /proc");
        return;
    }
    if root() && !has_tool("setpriv") {
        return;
    }
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let steps = ["plan", "apply", "verify"].map(|step| {
        (
            format!("net/{step}"),
            CURIOUS.replace("seen", &format!("seen-{step}")),
        )
    });
    let steps: Vec<(&str, &str)> = steps
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    play.change(&steps);
    let repo = &play.project.ci.repo;
    repo.git(&["config", "--unset", "deploy.key"]).ok();
    let key = std::fs::read_to_string(play.home("ci.key")).unwrap();
    std::fs::remove_file(play.home("ci.key")).unwrap();
    give(&world);
    let secret = key.lines().nth(1).unwrap();
    for command in [&["plan", "dev"][..], &["run", "dev", "--yes"]] {
        let mut command = as_runner(repo, command);
        command
            .env("GIT_DEPLOY_KEY", &key)
            .env("GIT_DEPLOY_PASSWORD", "correct-horse");
        Run::of(&world, &mut command).ok();
    }
    for step in ["plan", "apply", "verify"] {
        let seen =
            String::from_utf8_lossy(&std::fs::read(play.home(&format!("seen-{step}"))).unwrap())
                .into_owned();
        assert!(seen.contains("looked at git-deploy"), "{seen}");
        for gone in [
            secret,
            "correct-horse",
            "GIT_DEPLOY",
            "memory of",
            "a file of",
            "can be written",
            "untrusted comment",
        ] {
            assert!(!seen.contains(gone), "{step}: {gone}\n{seen}");
        }
        let open: Vec<&str> = seen
            .lines()
            .filter_map(|line| line.strip_prefix("open: "))
            .collect();
        let odd = |it: &&&str| {
            !(it.starts_with("pipe:")
                || **it == "/dev/null"
                || it.starts_with("/proc/")
                || it.is_empty())
        };
        assert!(!open.iter().any(|it| odd(&it)), "{open:?}");
    }
    play.nothing_left();
}

/// The signer that the tutorial would have: it asks over a pipe, and whoever has the key answers over another.
const ASK: &str = "#!/bin/sh\n{ printf '%s\\n' \"$GIT_DEPLOY_TRUSTED_COMMENT\"; cat; } > \"$HOME/ask\"\ncat \"$HOME/answer\"\n";
const ANSWER: &str = "cd \"$1\" || exit; while cat ../ask > all && ! grep -qx quit all; do head -n 1 all > comment; tail -n +2 all > message\n\
                      minisign -S -s key -m message -x signature -c 'signature from git-deploy' -t \"$(cat comment)\" > /dev/null < /dev/null\n\
                      cat signature > ../answer; done\n";

/// A deployment by one user is signed with a key that only another can read.
#[test]
fn another_user_can_hold_the_key() {
    if !root() {
        skip("needs root, to act as two users");
        return;
    }
    if !has_tool("setpriv") || !has_tool("minisign") {
        return;
    }
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.change(&[(
        "net/apply",
        "cat $HOME/keeper/key > $HOME/stolen 2> /dev/null; ls $HOME/keeper > $HOME/stolen 2> /dev/null; true\n",
    )]);
    let repo = &play.project.ci.repo;
    let script = |name: &str, text: &str| {
        std::fs::write(play.home(name), text).unwrap();
        std::fs::set_permissions(play.home(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("sign", ASK);
    for pipe in ["ask", "answer"] {
        assert!(
            Command::new("mkfifo")
                .args(["-m", "666"])
                .arg(play.home(pipe))
                .status()
                .unwrap()
                .success()
        );
    }
    let folder = play.home("keeper");
    std::fs::create_dir(&folder).unwrap();
    std::fs::rename(play.home("ci.key"), folder.join("key")).unwrap();
    repo.git(&["config", "--unset", "deploy.key"]).ok();
    repo.git(&[
        "config",
        "deploy.signer",
        &play.home("sign").to_string_lossy(),
    ])
    .ok();
    repo.git(&[
        "config",
        "deploy.signerKey",
        &play.project.ci.key().to_string(),
    ])
    .ok();
    give(&world);
    std::fs::set_permissions(world.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let owner = format!("{KEEPER}:{KEEPER}");
    assert!(
        Command::new("chown")
            .args(["-R", &owner])
            .arg(&folder)
            .status()
            .unwrap()
            .success()
    );
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(std::fs::metadata(folder.join("key")).unwrap().uid(), KEEPER);
    let mut keeper = repo.command("setpriv");
    keeper.args([
        format!("--reuid={KEEPER}"),
        format!("--regid={KEEPER}"),
        "--clear-groups".to_owned(),
    ]);
    let keeper = BackgroundRun::of(
        repo,
        keeper.args(["sh", "-c", ANSWER, "keeper"]).arg(&folder),
    );

    Run::of(&world, &mut as_runner(repo, &["run", "dev", "--yes"])).ok();
    Run::of(&world, &mut as_runner(repo, &["audit"])).ok();
    assert_eq!(
        std::fs::read_to_string(play.home("stolen")).unwrap(),
        "",
        "{}",
        keeper.words()
    );
    std::fs::write(play.home("ask"), "quit\n").unwrap();
    keeper.ends_with(0);
    play.nothing_left();
}

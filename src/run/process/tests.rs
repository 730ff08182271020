use std::collections::BTreeMap;
use std::ffi::OsString;

use super::*;
use crate::clock;

/// How long a test waits for something that is certain to happen.
const PATIENCE: Duration = Duration::from_secs(120);

struct Shell {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, OsString>,
    mask: Mask,
    stop: Cancellation,
}

impl Shell {
    fn new() -> Self {
        let path = std::env::var_os("PATH").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: BTreeMap::from([("PATH".to_owned(), path)]),
            mask: Mask::default(),
            stop: Cancellation::default(),
        }
    }

    fn job<'a>(&'a self, text: &'a str) -> CommandSpec<'a> {
        CommandSpec {
            program: Program::Shell(text),
            folder: self.folder.path(),
            variables: &self.variables,
            input: b"",
            kept_bytes: MAX_KEPT_OUTPUT,
            timeout: None,
            mask: &self.mask,
            log: None,
            on_line: None,
        }
    }

    fn run(&self, text: &str) -> CommandResult {
        run(&self.job(text), &self.stop).unwrap()
    }

    fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }
}

/// How it ended is told by its own status; its environment is what was given and nothing of ours, and there is no input to wait for.
#[test]
fn what_a_command_sees() {
    let shell = Shell::new();
    assert_eq!(shell.run("exit 7").end, CommandEnd::Exited(7));
    assert_eq!(shell.run("kill -9 $$").end, CommandEnd::Signalled(9));
    let seen = shell
        .run("env | cut -d= -f1 | LC_ALL=C sort | tr '\\n' ' '; cat; pwd")
        .output
        .to_text();
    let folder = shell.folder.path().canonicalize().unwrap();
    // Shells add PWD, and some `_`, by themselves.
    assert_eq!(
        seen.replace(" _ ", " ").replace(" SHLVL ", " "),
        format!("PATH PWD {}\n", folder.display())
    );
    let ran = run(
        &CommandSpec {
            input: b"told",
            ..shell.job("cat")
        },
        &shell.stop,
    )
    .unwrap();
    assert_eq!(ran.output.to_text(), "told");
    let words = ["printf".into(), "%s|".into(), "a b".into(), "$HOME".into()];
    let direct = CommandSpec {
        program: Program::Direct(&words),
        ..shell.job("")
    };
    assert_eq!(
        run(&direct, &shell.stop).unwrap().output.to_text(),
        "a b|$HOME|"
    );
}

/// Waits until a process has ended. One that its parent has not waited for yet has ended too.
#[track_caller]
fn wait_for_end(pid: &str) {
    let deadline = clock::Deadline::after(PATIENCE);
    let stat = std::path::Path::new("/proc").join(pid).join("stat");
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(!deadline.has_passed(), "process {pid} goes on");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A command that hangs is ended at its limit, with all that it started.
#[test]
fn a_command_that_hangs_is_ended() {
    let shell = Shell::new();
    let mut limit = Duration::from_millis(100);
    let text = "sleep 600 & echo $! > new && mv new pid; sleep 600";
    // On a busy machine the limit may pass before the command has started anything.
    while !shell.exists("pid") {
        let job = CommandSpec {
            timeout: Some(limit),
            ..shell.job(text)
        };
        assert_eq!(run(&job, &shell.stop).unwrap().end, CommandEnd::TimedOut);
        limit *= 2;
    }
    let pid = std::fs::read_to_string(shell.folder.path().join("pid")).unwrap();
    wait_for_end(pid.trim());
}

/// After one request to stop a running command may end by itself; after two it is ended.
#[test]
fn requests_to_stop() {
    let shell = Shell::new();
    let ask_once_it_runs = |name: &'static str| {
        let shell = &shell;
        move || {
            let deadline = clock::Deadline::after(PATIENCE);
            while !shell.exists(name) && !deadline.has_passed() {
                std::thread::sleep(POLL_INTERVAL);
            }
            shell.stop.request();
            std::fs::write(shell.folder.path().join("asked"), "").unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(ask_once_it_runs("first"));
        let waits = "touch first; until test -e asked; do sleep 0.05; done";
        assert_eq!(shell.run(waits).end, CommandEnd::Exited(0));
        assert!(shell.stop.is_draining());
        scope.spawn(ask_once_it_runs("second"));
        assert_eq!(
            shell.run("touch second; sleep 600").end,
            CommandEnd::Cancelled
        );
    });
}

/// A server that a command leaves running neither delays it nor ends with it.
#[test]
fn what_is_left_running() {
    let shell = Shell::new();
    let ran = shell.run("sleep 600 > /dev/null & echo $!");
    assert_eq!(ran.end, CommandEnd::Exited(0));
    let pid = ran.output.to_text().trim().to_owned();
    assert_eq!(
        shell.run(&format!("kill {pid}")).end,
        CommandEnd::Exited(0),
        "the server is gone, or was waited for"
    );
}

/// Whatever bytes a command prints, what is kept of them is plain text, bounded, and without the secret.
#[test]
fn what_is_kept() {
    let mut shell = Shell::new();
    shell.mask = Mask::new([&b"hunter2"[..]]).unwrap();
    let log = shell.folder.path().join("log");
    let text = r"printf 'a\033[31mred\033[0m\tb \033]0;title\007 hun'; sleep 0.1; printf 'ter2\r\n\377\342\200\256x\000y\n'; printf e >&2";
    let ran = run(
        &CommandSpec {
            log: Some(&log),
            ..shell.job(text)
        },
        &shell.stop,
    )
    .unwrap();
    assert_eq!(ran.output.to_text(), "ared    b  ***\n\u{fffd}xy\n");
    let mut kept: Vec<String> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(kept.pop().as_deref(), Some("e"));
    kept.retain(|line| !line.is_empty());
    assert_eq!(kept, ["ared    b  ***", "\u{fffd}xy"]);
    assert_eq!(
        ran.output.digest,
        shell.run(text).output.digest,
        "the same output has another digest"
    );
    assert_ne!(ran.output.digest, shell.run("echo").output.digest);
}

/// More than anybody can read: counted in the digest, not kept in memory nor, past its bound, in the log.
#[test]
fn much_output() {
    let shell = Shell::new();
    let log = shell.folder.path().join("log");
    let ran = run(
        &CommandSpec {
            log: Some(&log),
            ..shell.job("yes 0123456789abcdef0123456789abcdef | head -c 80000000")
        },
        &shell.stop,
    );
    let printed = ran.unwrap().output;
    assert!(printed.is_cut && printed.head.len() <= MAX_KEPT_OUTPUT && printed.tail.len() == 20);
    let kept = std::fs::metadata(&log).unwrap().len();
    assert!((64 << 20..65 << 20).contains(&kept), "{kept} bytes of log");
    // One line without an end is no different.
    let printed = shell.run("head -c 3000000 /dev/zero").output;
    assert!(
        printed
            .tail
            .iter()
            .all(|line| line.chars().count() <= 8 << 10)
    );
}

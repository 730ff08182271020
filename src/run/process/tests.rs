//! Tests of running commands: their environment, limits, cancellation and output.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock;
use crate::run::isolation::CommandIsolation;

/// How long a test waits for something that is certain to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs shell scripts in a temporary folder.
struct Shell {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, OsString>,
    mask: Mask,
    cancellation: Cancellation,
}

impl Shell {
    fn new() -> Self {
        let path = std::env::var_os("PATH").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: BTreeMap::from([("PATH".to_owned(), path)]),
            mask: Mask::default(),
            cancellation: Cancellation::default(),
        }
    }

    fn spec<'a>(&'a self, text: &'a str) -> CommandSpec<'a> {
        CommandSpec {
            program: Program::Shell(text),
            folder: self.folder.path(),
            variables: &self.variables,
            isolation: &CommandIsolation::Off,
            input: b"",
            kept_bytes: MAX_KEPT_OUTPUT,
            timeout: None,
            grace: TERM_GRACE,
            mask: &self.mask,
            log: None,
            on_line: None,
        }
    }

    fn run(&self, text: &str) -> CommandResult {
        run(&self.spec(text), &self.cancellation).unwrap()
    }

    fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    /// Waits until a command has made this file.
    fn wait_for_file(&self, name: &str) {
        let deadline = clock::Deadline::after(PATIENCE);
        while !self.exists(name) && !deadline.has_passed() {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// The result has the command's own status. A command gets only the given environment, and an empty
/// input by default.
#[test]
fn status_environment_and_input() {
    let shell = Shell::new();
    assert_eq!(shell.run("exit 7").end, CommandEnd::Exited(7));
    assert_eq!(shell.run("kill -9 $$").end, CommandEnd::Signalled(9));
    let output = shell
        .run("env | cut -d= -f1 | LC_ALL=C sort | tr '\\n' ' '; cat; pwd")
        .output
        .to_text();
    let folder = shell.folder.path().canonicalize().unwrap();
    // Shells add PWD, and some `_`, by themselves.
    assert_eq!(
        output.replace(" _ ", " ").replace(" SHLVL ", " "),
        format!("PATH PWD {}\n", folder.display())
    );
    let result = run(
        &CommandSpec {
            input: b"input",
            ..shell.spec("cat")
        },
        &shell.cancellation,
    )
    .unwrap();
    assert_eq!(result.output.to_text(), "input");
    let words = ["printf".into(), "%s|".into(), "a b".into(), "$HOME".into()];
    let direct = CommandSpec {
        program: Program::Direct(&words),
        ..shell.spec("")
    };
    assert_eq!(
        run(&direct, &shell.cancellation).unwrap().output.to_text(),
        "a b|$HOME|"
    );
}

/// Waits until a process has ended. A zombie counts as ended.
#[track_caller]
fn wait_for_end(pid: &str) {
    let deadline = clock::Deadline::after(PATIENCE);
    let stat = std::path::Path::new("/proc").join(pid).join("stat");
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(!deadline.has_passed(), "process {pid} is still running");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A command that hangs is ended at its time limit, with the processes that it started.
#[test]
fn a_command_that_hangs_is_ended() {
    let shell = Shell::new();
    let mut limit = Duration::from_millis(100);
    let text = "sleep 600 & echo $! > new && mv new pid; sleep 600";
    // On a busy machine the limit may pass before the command has started anything.
    while !shell.exists("pid") {
        let spec = CommandSpec {
            timeout: Some(limit),
            ..shell.spec(text)
        };
        assert_eq!(
            run(&spec, &shell.cancellation).unwrap().end,
            CommandEnd::TimedOut
        );
        limit *= 2;
    }
    let pid = std::fs::read_to_string(shell.folder.path().join("pid")).unwrap();
    wait_for_end(pid.trim());
}

/// After one request to stop, a running command may end by itself. After two, it is ended.
#[test]
fn requests_to_stop() {
    let shell = Shell::new();
    let request_once_running = |name: &'static str| {
        let shell = &shell;
        move || {
            shell.wait_for_file(name);
            shell.cancellation.request();
            std::fs::write(shell.folder.path().join("asked"), "").unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(request_once_running("first"));
        let waits = "touch first; until test -e asked; do sleep 0.05; done";
        assert_eq!(shell.run(waits).end, CommandEnd::Exited(0));
        assert!(shell.cancellation.is_draining());
        scope.spawn(request_once_running("second"));
        assert_eq!(
            shell.run("touch second; sleep 600").end,
            CommandEnd::Cancelled
        );
    });
}

/// A cancelled command gets the time to stop: it is asked to by `SIGINT`, which does not reach the
/// work of its children, and the result is there when the cancellation returns, whichever process of
/// its group writes it.
#[test]
fn a_cancelled_command_finishes_its_work() {
    // As in a run. Otherwise commands ignore SIGINT, too, if it was ignored when the tests began, as in
    // a job in the background of a shell.
    Arc::new(Cancellation::default())
        .listen_for_signals(|_| ())
        .unwrap();
    // The worker ignores SIGINT and dies of SIGTERM, as Terraform's providers do.
    let worker = "worker() { trap '' INT; touch begun; until test -e asked; do sleep 0.05; done; sleep 0.3; echo complete > state; }; touch lock; ";
    for script in [
        // The leader waits for its worker, then releases the lock.
        "trap 'wait; rm lock; exit 1' INT; worker & while :; do wait; done",
        // The leader dies at once, and the worker releases the lock.
        "(worker; rm lock) & while :; do wait; done",
        // The worker is reparented before the cancellation.
        "(worker; rm lock) & (sleep 600)",
    ] {
        let shell = Shell::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                shell.wait_for_file("begun");
                shell.cancellation.request_kill();
                std::fs::write(shell.folder.path().join("asked"), "").unwrap();
            });
            let result = shell.run(&format!("{worker}{script}"));
            assert_eq!(result.end, CommandEnd::Cancelled, "{script}");
            assert!(shell.exists("state") && !shell.exists("lock"), "{script}");
        });
    }
}

/// A process that ignores `SIGINT` gets `SIGTERM`, and one that ignores that too is killed. Nothing
/// of the group is left when the cancellation returns.
#[test]
fn a_stubborn_command_is_ended() {
    for (traps, expected) in [("INT", "ended by TERM\n"), ("INT TERM", "")] {
        let shell = Shell::new();
        let term = if expected.is_empty() {
            ""
        } else {
            "trap 'echo ended by TERM; exit 1' TERM; "
        };
        let script = format!(
            "trap '' {traps}; {term}echo $$ > new; mv new pid; while :; do sleep 0.1; done"
        );
        std::thread::scope(|scope| {
            scope.spawn(|| {
                shell.wait_for_file("pid");
                shell.cancellation.request_kill();
            });
            let result = shell.run(&script);
            assert_eq!(result.end, CommandEnd::Cancelled, "{traps}");
            assert_eq!(result.output.to_text(), expected, "{traps}");
        });
        let pid = std::fs::read_to_string(shell.folder.path().join("pid")).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "{traps}");
    }
}

/// A server that a command leaves running does not delay the command, and does not end with it.
#[test]
fn background_processes() {
    let shell = Shell::new();
    let result = shell.run("sleep 600 > /dev/null & echo $!");
    assert_eq!(result.end, CommandEnd::Exited(0));
    let pid = result.output.to_text().trim().to_owned();
    assert_eq!(
        shell.run(&format!("kill {pid}")).end,
        CommandEnd::Exited(0),
        "the server has ended, or the command waited for it"
    );
}

/// Recorded output is plain text without secrets, whatever bytes a command prints.
#[test]
fn recorded_output() {
    let mut shell = Shell::new();
    shell.mask = Mask::new([&b"hunter2"[..]]).unwrap();
    let log = shell.folder.path().join("log");
    let text = r"printf 'a\033[31mred\033[0m\tb \033]0;title\007 hun'; sleep 0.1; printf 'ter2\r\n\377\342\200\256x\000y\n'; printf e >&2";
    let result = run(
        &CommandSpec {
            log: Some(&log),
            ..shell.spec(text)
        },
        &shell.cancellation,
    )
    .unwrap();
    assert_eq!(result.output.to_text(), "ared    b  ***\n\u{fffd}xy\n");
    let mut lines: Vec<String> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.pop().as_deref(), Some("e"));
    lines.retain(|line| !line.is_empty());
    assert_eq!(lines, ["ared    b  ***", "\u{fffd}xy"]);
    assert_eq!(
        result.output.digest,
        shell.run(text).output.digest,
        "the same output must have the same digest"
    );
    assert_ne!(result.output.digest, shell.run("echo").output.digest);
}

/// Very long output is all in the digest, but bounded in memory and in the log.
#[test]
fn long_output() {
    let shell = Shell::new();
    let log = shell.folder.path().join("log");
    let result = run(
        &CommandSpec {
            log: Some(&log),
            ..shell.spec("yes 0123456789abcdef0123456789abcdef | head -c 80000000")
        },
        &shell.cancellation,
    );
    let printed = result.unwrap().output;
    assert!(printed.is_cut && printed.head.len() <= MAX_KEPT_OUTPUT && printed.tail.len() == 20);
    let log_size = std::fs::metadata(&log).unwrap().len();
    assert!(
        (64 << 20..65 << 20).contains(&log_size),
        "{log_size} bytes of log"
    );
    // A line without an end is bounded too.
    let printed = shell.run("head -c 3000000 /dev/zero").output;
    assert!(
        printed
            .tail
            .iter()
            .all(|line| line.chars().count() <= 8 << 10)
    );
}

use super::*;
use crate::clock;

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

/// A command that hangs is ended, with what it started; one that defies the request is killed.
#[test]
fn time_is_bounded() {
    let shell = Shell::new();
    let short = Some(Duration::from_millis(100));
    let text = "(sleep 2; touch late) & sleep 60";
    let before = clock::Deadline::after(Duration::from_secs(5));
    assert_eq!(
        run(
            &CommandSpec {
                timeout: short,
                ..shell.job(text)
            },
            &shell.stop
        )
        .unwrap()
        .end,
        CommandEnd::TimedOut
    );
    assert!(!before.has_passed(), "it was waited for");
    std::thread::sleep(Duration::from_millis(2_300));
    assert!(!shell.exists("late"), "what it had started went on");
}

/// Asked twice to stop, nothing goes on; asked once, what runs may end.
#[test]
fn stopped() {
    let shell = Shell::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            shell.stop.request();
        });
        assert_eq!(shell.run("sleep 0.6").end, CommandEnd::Exited(0));
        assert!(shell.stop.is_draining());
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            shell.stop.request();
        });
        assert_eq!(shell.run("sleep 60").end, CommandEnd::Cancelled);
    });
}

/// A server that a command leaves behind neither holds it up nor ends with it.
#[test]
fn what_is_left_running() {
    let shell = Shell::new();
    let before = clock::Deadline::after(Duration::from_secs(3));
    let ran = shell.run("(sleep 4 > /dev/null; true) & echo $!");
    assert_eq!(ran.end, CommandEnd::Exited(0));
    assert!(!before.has_passed(), "it was waited for");
    let pid = ran.output.to_text().trim().to_owned();
    assert_eq!(
        shell.run(&format!("kill {pid}")).end,
        CommandEnd::Exited(0),
        "the server is gone"
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

//! Whatever a command prints, people and files get plain text, and memory stays bounded.

use std::path::Path;

use super::RunFixture;
use crate::harness::{World, has_tool, skip};

/// The most memory that a deployment may take, however much a command prints, in kilobytes.
const MEMORY: u64 = 64 << 10;

/// Everything that could move a cursor, set a title, answer to a shell, turn a text round or make it vanish.
const HOSTILE: &str = r"printf 'a\033[31;5mRED\033[0m \033]0;TITLE\007 \033]52;c;ZWNobw==\033\\ \033c\033[2J \302\2332J b\n'
printf 'right \342\200\256 left \342\201\246 iso \342\200\213 none \342\200\250 line \357\273\277 bom\n'
printf 'nul \000 bad \377\376 \300\257 \355\240\200 bell \007 back \010\010\010 del \177\n'
printf 'good\roverprinted\n\033P1$r stuck\n\033[9999999999999'
printf '\n## [fake](https://example.com) @team </details> ``` | x |\n' >&2
";

/// Checks that a text holds only visible characters and line ends.
#[track_caller]
fn is_plain(place: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{place}: {error}"));
    let odd = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let odd: Vec<char> = text.chars().filter(odd).collect();
    assert!(odd.is_empty(), "{place}: {odd:?}\n{text}");
}

/// From every step, in success and failure: what is shown, logged, recorded, noted and sent is
/// plain text.
#[test]
fn hostile_output_is_made_plain() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = { exec_by = \"ci\" }\n", &[]);
    let ci = &play.project.ci;
    let endless = format!("{HOSTILE}head -c 300000 /dev/zero | tr '\\0' x; exit 3\n");
    play.change(&[
        ("net/plan", HOSTILE),
        ("db/apply", HOSTILE),
        ("web/verify", &endless),
        ("api/apply", "exit 1\n"),
    ]);
    let commands: [(&[&str], i32); 4] = [
        (&["plan", "dev", "--full"], 0),
        (&["plan", "dev", "--format", "markdown"], 0),
        (&["plan", "dev", "--json"], 0),
        (&["run", "dev", "--yes"], 4),
    ];
    for (command, code) in commands {
        let run = ci.deploy(command).fails(code);
        is_plain(&command.join(" "), run.to_string().as_bytes());
        assert!(run.to_string().len() < 400_000, "{}", run.to_string().len());
    }
    assert_eq!(
        play.ended("dev"),
        "api failed, db succeeded, net succeeded, web failed"
    );
    for log in play.logs() {
        is_plain(&log.display().to_string(), &std::fs::read(&log).unwrap());
    }
    play.change(&[("web/n", "2\n"), ("web/plan", HOSTILE)]);
    let json = ci.deploy(&["run", "dev", "--yes", "--json"]).fails(4);
    is_plain("json", json.text().as_bytes());
    is_plain("words", json.err().as_bytes());
    let exec = ci
        .deploy(&[
            "exec",
            "dev",
            "--yes",
            "--component",
            "net",
            "--",
            "sh",
            "plan",
        ])
        .ok();
    is_plain("exec", exec.to_string().as_bytes());
    for look in [&["log"][..], &["status"], &["show"], &["audit"]] {
        is_plain(look[0], ci.deploy(look).ok().to_string().as_bytes());
    }
    let server = &play.project.server;
    is_plain(
        "ledger",
        server
            .git(&["log", "-p", "--first-parent", "refs/deploy/dev"])
            .ok()
            .text()
            .as_bytes(),
    );
    is_plain(
        "notes",
        server
            .git(&["log", "-p", "refs/notes/deploy"])
            .ok()
            .text()
            .as_bytes(),
    );
    play.nothing_left();
    play.project.audited();
}

/// On a terminal our lines move, and no output of a command moves them.
#[test]
fn hostile_output_cannot_move_the_cursor() {
    if !has_tool("script") {
        return;
    }
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    play.change(&[("net/apply", &format!("{HOSTILE}sleep 0.5\nexit 1\n"))]);
    let mut command = play.project.ci.repo.command("script");
    command
        .args(["-qefc", "git-deploy run dev --yes"])
        .arg(play.home("screen"))
        .env("TERM", "xterm");
    crate::harness::Run::of(&world, &mut command).fails(4);
    let screen = String::from_utf8(std::fs::read(play.home("screen")).unwrap()).unwrap();
    let screen: String = screen.lines().skip(1).collect();
    assert!(
        screen.contains("RED") && screen.contains("overprinted"),
        "{screen:?}"
    );
    // Ours are moves, colours and clearings of a line: `\x1b[`, digits, and one of these letters.
    for sequence in screen.split('\x1b').skip(1) {
        let end = sequence
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or_default();
        let (inside, rest) = sequence.split_at(end);
        let ours = inside.starts_with('[')
            && rest.starts_with(['m', 'K', 'A', 'B', 'D', 'G', 'J', 'h', 'l'])
            && inside.len() < 8;
        assert!(
            ours && !sequence.starts_with("[2J") && !sequence.starts_with("[31;5m"),
            "{sequence:?} in {screen:?}"
        );
    }
    for character in [
        '\x07', '\x08', '\0', '\u{9b}', '\u{202e}', '\u{200b}', '\u{feff}',
    ] {
        assert!(!screen.contains(character), "{character:?} in {screen:?}");
    }
}

/// All output is passed on, and kept only in a log of limited size.
#[test]
fn output_is_bounded() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    // All of it has been read when the last line is, but for what a pipe holds.
    let much = "yes 0123456789abcdef0123456789abcdef | head -c $(cat $HOME/much)\nhead -c $(cat $HOME/much) /dev/zero | tr '\\0' x >&2\n\
                grep VmHWM /proc/$PPID/status > $HOME/memory\n";
    let bytes = std::env::var("MUCH").unwrap_or_else(|_| "30000000".to_owned());
    std::fs::write(play.home("much"), bytes).unwrap();
    play.change(&[("net/apply", much), ("web/plan", much)]);
    if !Path::new("/proc/self/status").exists() {
        skip("needs /proc");
        return;
    }
    play.run(&["--component", "net", "--component", "web"]).ok();
    let memory = std::fs::read_to_string(play.home("memory")).unwrap();
    let kilobytes: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{memory}");
    assert!(kilobytes < MEMORY, "{memory}");
    for log in play.logs() {
        assert!(
            std::fs::metadata(&log).unwrap().len() < 65 << 20,
            "{}",
            log.display()
        );
    }
    play.nothing_left();
}

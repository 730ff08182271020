//! The documents' transcripts, played: what README.md and docs/ show is what happens.
//!
//! In a block that is marked `console`, a line `$ …` is typed in the reader's home, a line `bob$ …` by bob in his clone `bob`, in any
//! other folder by alice; what follows is what a terminal of 100 columns then shows. A comment `<!-- console … -->` is played and not shown; in it,
//! `+ 2h` lets that time pass. A block marked `console exit=1` ends with that exit code, all else with 0.
//! Ids and keys are random, so only their places are compared. What components are planned, and how long something took, is the machine's
//! own affair: the plans of a run stand in the order of their names, and no time behind them. `UPDATE_DOCS=1` writes down what came out.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::harness::{Run, World};

#[test]
fn readme_transcripts_are_true() {
    check("README.md");
}

#[test]
fn tutorial_transcripts_are_true() {
    check("docs/tutorial.md");
}

#[test]
fn people_transcripts_are_true() {
    check("docs/people.md");
}

/// Plays a document from its beginning to its end, in one world.
pub fn check(document: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let world = World::new();
    let mut player = Player {
        world: &world,
        played: String::new(),
        commands: 0,
    };
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        player.say(line);
        let (end, exit) = match line.split_once(' ').unwrap_or((line, "")) {
            ("```console", "") | ("<!--", "console") => {
                (if line.starts_with('<') { "-->" } else { "```" }, 0)
            }
            ("```console", how) => ("```", how.strip_prefix("exit=").unwrap().parse().unwrap()),
            _ => continue,
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        player.block(&block, exit, end == "-->");
        player.say(end);
    }
    assert!(player.commands > 0, "{document} shows no command");
    if std::env::var_os("UPDATE_DOCS").is_some() && veil(&text) != veil(&player.played) {
        std::fs::write(&path, player.played).unwrap();
        return;
    }
    for (number, (shown, played)) in text.lines().zip(player.played.lines()).enumerate() {
        assert_eq!(
            veil(shown),
            veil(played),
            "{document}:{}; UPDATE_DOCS=1 writes down what came out",
            number + 1
        );
    }
    assert_eq!(
        text.lines().count(),
        player.played.lines().count(),
        "{document}: more or less came out"
    );
}

struct Player<'w> {
    world: &'w World,
    /// The document as it should be.
    played: String,
    commands: usize,
}

impl Player<'_> {
    fn say(&mut self, line: &str) {
        self.played.push_str(line);
        self.played.push('\n');
    }

    /// Plays each command of a block, and says what came out in place of what was shown.
    fn block(&mut self, block: &[&str], exit: i32, hidden: bool) {
        let starts: Vec<usize> = (0..block.len()).filter(|at| is_typed(block, *at)).collect();
        for (count, start) in starts.iter().enumerate() {
            let end = starts.get(count + 1).copied().unwrap_or(block.len());
            let typed = 1 + block[*start..end]
                .iter()
                .take_while(|line| line.ends_with('\\'))
                .count();
            let typed = &block[*start..end.min(start + typed)];
            for line in typed {
                self.say(line);
            }
            if let Some(span) = typed[0].strip_prefix("+ ") {
                self.world.advance(span);
                continue;
            }
            let last = count + 1 == starts.len();
            let came = self.play(&typed.join("\n"), if last { exit } else { 0 });
            if !hidden {
                for line in came {
                    self.say(&line);
                }
            }
        }
    }

    /// Runs a command in a terminal and returns what it shows.
    fn play(&mut self, typed: &str, exit: i32) -> Vec<String> {
        self.commands += 1;
        let (person, command) = typed.split_once("$ ").unwrap();
        let home = self.world.path().join("home");
        let folder: PathBuf = home.join(person);
        let known = ["bob", "carol", "ci"].contains(&person);
        let mut terminal = self
            .world
            .command("timeout", if known { person } else { "alice" });
        terminal.args([
            "600",
            "script",
            "--quiet",
            "--return",
            "--command",
            command,
            "/dev/null",
        ]);
        terminal
            .current_dir(folder)
            .env("SHELL", "/bin/bash")
            .env("TERM", "dumb")
            .env("COLUMNS", "100")
            // The logs of all are below the home that is shown as `~`.
            .env_remove("XDG_CACHE_HOME");
        terminal.env("GIT_PAGER", "cat").env(
            "TESTDATA",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"),
        );
        // A prompt for it would show nothing of what is typed.
        terminal.env("GIT_DEPLOY_PASSWORD", "correct horse battery staple");
        let run = Run::of(self.world, &mut terminal).fails(exit);
        self.date_fetches(&home);
        let text = run
            .text()
            .replace('\r', "")
            .replace(&*home.to_string_lossy(), "~");
        settled(text.lines().map(str::trim_end))
    }

    /// Sets the time of the last fetch, which git takes from the machine's clock.
    fn date_fetches(&self, home: &Path) {
        let now =
            UNIX_EPOCH + Duration::from_secs(self.world.now().as_seconds().try_into().unwrap());
        for folder in std::fs::read_dir(home).unwrap() {
            let mark = File::options()
                .append(true)
                .open(folder.unwrap().path().join(".git/FETCH_HEAD"));
            mark.and_then(|mark| mark.set_modified(now))
                .or_else(|error| match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(()),
                    _ => Err(error),
                })
                .unwrap();
        }
    }
}

/// Removes what differs between runs: which plan was ready first, how long a step took, the process
/// number.
fn settled<'a>(printed: impl Iterator<Item = &'a str>) -> Vec<String> {
    let step = |line: &str| {
        ["plan ", "apply ", "verify ", "destroy "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    let time = |word: &str| {
        word.strip_suffix(" s")
            .is_some_and(|it| it.parse::<u32>().is_ok())
    };
    let settled = |line: &str| match line.rsplit_once("  ") {
        Some((before, took)) if step(line) && time(took) => before.to_owned(),
        _ => without_process(line),
    };
    let planned = |line: &str| line.starts_with("plan ") && line.contains(['✓', '✗']);
    // Each line with what belongs to it.
    let mut blocks: Vec<Vec<String>> = Vec::new();
    for line in printed.map(settled) {
        match blocks
            .last_mut()
            .filter(|block| planned(&block[0]) && line.starts_with("    "))
        {
            Some(block) => block.push(line),
            None => blocks.push(vec![line]),
        }
    }
    for plans in blocks.chunk_by_mut(|one, next| planned(&one[0]) && planned(&next[0])) {
        plans.sort();
    }
    blocks.concat()
}

/// Replaces the project, which depends on random keys, and the process number in paths such as
/// `…/git-deploy/logs/4f1c2a9d0b7e3c65/20260305T100000Z-stage-4711/api.run.log`.
fn without_process(line: &str) -> String {
    let Some((before, path)) = line.split_once("/git-deploy/logs/") else {
        return line.to_owned();
    };
    let path = path.split_once('/').map_or("", |(_, path)| path);
    let end = path.find(['/', ' ']).unwrap_or(path.len());
    let (run, after) = path.split_at(end);
    format!(
        "{before}/git-deploy/logs/4f1c2a9d0b7e3c65/{}-4711{after}",
        run.rsplit_once('-').unwrap().0
    )
}

/// Returns whether a line of a block is input: it has a prompt, or lets time pass.
fn is_typed(block: &[&str], at: usize) -> bool {
    let continues = at > 0 && block[at - 1].ends_with('\\') && is_typed(block, at - 1);
    let prompt = block[at]
        .split_once("$ ")
        .is_some_and(|(who, _)| who.chars().all(|c| c.is_ascii_lowercase()));
    !continues && (prompt || block[at].starts_with("+ "))
}

/// Replaces what random keys change: each object id and each key becomes a placeholder of its
/// length.
fn veil(line: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "+/".contains(c);
    let random = |text: &str| {
        let id = (7..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        id || (text.len() == 56 && text.starts_with("RW"))
    };
    let mut veiled = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| word(c) != word(first)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(length);
        veiled.push_str(&if random(token) {
            "x".repeat(length)
        } else {
            token.to_owned()
        });
        rest = after;
    }
    veiled
}

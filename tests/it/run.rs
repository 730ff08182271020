//! Deployments whose commands, people and machines misbehave: what they print, what they may see,
//! how they fail, are interrupted and disturb each other.
//!
//! Each component's commands are scripts of the commit, so that a test changes what happens by a
//! commit. They write what they did to the file `done` in the world's home, one line per step.

mod approval_purposes;
mod background;
mod cancellation;
mod changes_while_planning;
mod command_isolation;
mod command_output;
mod component_checkout;
mod failure;
mod git_config;
mod interruption;
mod isolation;
pub mod key_access;
mod planning;
mod plans;
mod private_files;
mod scripts;
mod secrets;
mod secrets_in_arguments;
mod skipping;
mod takeover;

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Project, Run, World, wait_for};

pub use background::BackgroundRun;

/// `db` depends on `net`, `api` on `db`, and `web` on nothing.
const COMPONENTS: [(&str, &str); 4] = [
    ("api", "\"db\""),
    ("db", "\"net\""),
    ("net", ""),
    ("web", ""),
];

/// A project whose commands are scripts.
pub struct RunFixture<'w> {
    pub project: Project<'w>,
}

impl<'w> RunFixture<'w> {
    /// Makes a project with these environments, and more lines for some components.
    pub fn new(world: &'w World, environments: &str, more: &[(&str, &str)]) -> Self {
        let play = Self {
            project: Project::new(world, &policy(environments, more)),
        };
        let scripts = |name: &str| {
            ["plan", "apply", "verify"].map(|it| (format!("{name}/{it}"), "true\n".to_owned()))
        };
        let mut files: Vec<(String, String)> = COMPONENTS
            .iter()
            .flat_map(|(name, _)| scripts(name))
            .collect();
        files.extend(
            COMPONENTS
                .iter()
                .map(|(name, _)| (format!("{name}/n"), "1\n".to_owned())),
        );
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        play.change(&files);
        play
    }

    /// Commits these files as alice and pushes them to all clones.
    pub fn change(&self, files: &[(&str, &str)]) -> String {
        let alice = &self.project.alice;
        self.project.world.advance("1m");
        for (file, content) in files {
            alice.repo.write(file, content);
        }
        alice.repo.git(&["add", "--all"]).ok();
        alice.repo.git(&["commit", "-q", "-m", "Change"]).ok();
        alice.push(&["HEAD:refs/heads/main"]).ok();
        self.project.fetch();
        alice.repo.rev("HEAD")
    }

    /// Deploys to dev as the machine.
    pub fn run(&self, more: &[&str]) -> Run<'w> {
        self.project
            .ci
            .deploy(&[&["run", "dev", "--yes"], more].concat())
    }

    /// Returns a file in the home that all share.
    pub fn home(&self, file: &str) -> PathBuf {
        self.project.world.path().join("home").join(file)
    }

    /// Lets those go on who wait for this file.
    pub fn touch(&self, file: &str) {
        std::fs::write(self.home(file), "").unwrap();
    }

    /// Waits until a command has made this file, and takes it away.
    #[track_caller]
    pub fn wait_for(&self, file: &str) {
        let path = self.home(file);
        wait_for(&format!("nobody made {file}"), || {
            path.exists().then_some(())
        });
        std::fs::remove_file(path).unwrap();
    }

    /// Waits until a command has written to this file, and returns its text.
    #[track_caller]
    pub fn text(&self, file: &str) -> String {
        wait_for(&format!("nothing is in {file}"), || {
            std::fs::read_to_string(self.home(file))
                .ok()
                .filter(|text| text.ends_with('\n'))
        })
    }

    /// Waits until the newest run of the machine has this in a log.
    #[track_caller]
    pub fn logged(&self, log: &str, words: &str) {
        wait_for(&format!("{words:?} is not in {log}"), || {
            let mut runs: Vec<PathBuf> = self.logs();
            runs.retain(|path| {
                path.ends_with(log) && std::fs::read_to_string(path).unwrap().contains(words)
            });
            runs.pop()
        });
    }

    /// Returns all logs of the machine.
    pub fn logs(&self) -> Vec<PathBuf> {
        let found = walkdir::WalkDir::new(self.files("ci").join("logs"))
            .sort_by_file_name()
            .into_iter()
            .filter_map(Result::ok);
        found
            .filter(|it| it.file_type().is_file())
            .map(walkdir::DirEntry::into_path)
            .collect()
    }

    /// Returns the folder of a person's checkouts, logs and temporary files.
    pub fn files(&self, person: &str) -> PathBuf {
        let caches = self.project.world.path().join("caches");
        caches.join(person).join("git-deploy")
    }

    /// Returns what was done since the last call, such as `apply db 2`.
    pub fn done(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.home("done")).unwrap_or_default();
        let _ = std::fs::remove_file(self.home("done"));
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the newest entry of an environment.
    pub fn newest(&self, ledger: &str) -> Value {
        let place = format!("refs/deploy/{ledger}:entry.json");
        self.project
            .server
            .git(&["cat-file", "blob", &place])
            .ok()
            .json()["predicate"]
            .clone()
    }

    /// Returns how the newest deployment ended: `api skipped because db, db rolledBack, …`.
    /// Components without changes are left out.
    #[track_caller]
    pub fn ended(&self, ledger: &str) -> String {
        let entry = self.newest(ledger);
        assert_eq!(entry["action"], "finish", "{entry:#}");
        let one = |it: &Value| {
            let because = it["because"]
                .as_str()
                .map_or(String::new(), |other| format!(" because {other}"));
            format!(
                "{} {}{because}",
                it["component"].as_str().unwrap(),
                it["outcome"].as_str().unwrap()
            )
        };
        let sequence = entry["start"].as_u64().unwrap();
        let log = [
            "log",
            "--first-parent",
            "--reverse",
            "--format=%H",
            &format!("refs/deploy/{ledger}"),
        ];
        let log = self.project.server.git(&log).ok().text();
        let start = log.lines().nth(usize::try_from(sequence).unwrap()).unwrap();
        let start = self
            .project
            .server
            .git(&["cat-file", "blob", &format!("{start}:entry.json")])
            .ok()
            .json();
        let changes = |it: &&Value| {
            let all = start["predicate"]["components"].as_array().unwrap();
            let change = all
                .iter()
                .find(|change| change["component"] == it["component"])
                .unwrap();
            change["content"].is_string() && it["component"] != "rest"
        };
        entry["components"]
            .as_array()
            .unwrap()
            .iter()
            .filter(changes)
            .map(one)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Returns how many entries a ledger has.
    pub fn entries(&self, ledger: &str) -> usize {
        let count = [
            "rev-list",
            "--first-parent",
            "--count",
            &format!("refs/deploy/{ledger}"),
        ];
        self.project
            .server
            .git(&count)
            .ok()
            .text()
            .parse::<usize>()
            .unwrap()
            - 1
    }

    /// Checks that no run has left a folder behind.
    #[track_caller]
    pub fn nothing_left(&self) {
        let mut folders = vec![self.project.world.path().join("tmp")];
        for person in ["alice", "bob", "carol", "ci"] {
            folders.push(self.files(person).join("temp"));
            let checkouts = walkdir::WalkDir::new(self.files(person).join("checkouts"));
            let environments = checkouts.min_depth(2).max_depth(2).into_iter().flatten();
            for environment in environments {
                let found = std::fs::read_dir(environment.path()).unwrap();
                let left: Vec<_> = found.map(|it| it.unwrap().file_name()).collect();
                assert_eq!(left, ["lock"]);
            }
        }
        for folder in folders {
            let found = std::fs::read_dir(&folder).into_iter().flatten();
            let left: Vec<_> = found.map(|it| it.unwrap().file_name()).collect();
            assert!(left.is_empty(), "{}: {left:?}", folder.display());
        }
    }
}

/// Returns what follows the people in deploy.toml.
pub fn policy(environments: &str, more: &[(&str, &str)]) -> String {
    let component = |(name, needs): &(&str, &str)| {
        let more: Vec<&str> = more
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, lines)| *lines)
            .collect();
        let more = more.join("\n");
        let step = |step: &str| {
            format!("{step} = 'echo {step} {name} $(cat n) >> $HOME/done; . ./{step}'\n")
        };
        let steps = ["plan", "apply", "verify"].map(step).concat();
        format!(
            "\n[components.{name}]\npaths = [\"{name}/**\"]\ndepends_on = [{needs}]\n{steps}{more}\n"
        )
    };
    let components: String = COMPONENTS.iter().map(component).collect();
    format!("{environments}\n{components}")
}

/// Returns a script that reports that it has begun, and waits until it may continue; not forever,
/// in case the test fails.
pub fn waiting(file: &str) -> String {
    format!(
        "touch $HOME/{file}.there; for i in $(seq 10000); do test -e $HOME/{file} && break; sleep 0.03; done; rm -f $HOME/{file}\n"
    )
}

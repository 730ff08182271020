//! A project in the state of a row, to which every attempt returns.

use std::fmt::Write as _;

use super::screen::Screen;
use super::table::{Attempt, Row};
use crate::harness::folder_copy::FolderCopy;
use crate::harness::{Member, Project, Repo, Run, World};

/// An admin, a deployer, an approver, a machine and a stranger.
pub const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "ci", "dave"];

/// Where the ledgers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// In one repository, which everyone uses.
    Local,
    /// On a server with hooks.
    Server,
    /// On a host that runs no hooks.
    Plain,
}

pub struct Scene<'w> {
    host: Host,
    project: Project<'w>,
    dave: Member<'w>,
    copy: FolderCopy,
    world: &'w World,
}

impl<'w> Scene<'w> {
    /// Brings a project in a new world into the state of a row.
    pub fn new(world: &'w World, host: Host, row: &Row) -> Self {
        let project = Project::new(world, row.policy);
        let dave = Member::new(world, &project.server, "dave");
        let key = world.path().join("home/dave.key");
        dave.repo
            .git(&["config", "deploy.key", &key.to_string_lossy()])
            .ok();
        (row.set_up)(&project);
        dave.repo.git(&["pull", "-q", "origin", "main"]).ok();
        dave.deploy(&["sync"]).ok();
        match host {
            Host::Server => {}
            Host::Plain => {
                std::fs::remove_dir_all(project.server.path().join("hooks")).unwrap();
                let settings = ["config", "--unset-all", "receive.procReceiveRefs"];
                project.server.git(&settings).ok();
            }
            Host::Local => {
                project.alice.deploy(&["sync"]).ok();
                project
                    .alice
                    .repo
                    .git(&["config", "deploy.remote", ""])
                    .ok();
            }
        }
        let copy = FolderCopy::read(world.path());
        Self {
            host,
            project,
            dave,
            copy,
            world,
        }
    }

    pub fn host(&self) -> Host {
        self.host
    }

    /// Returns to the state of the row.
    pub fn reset(&self) {
        for entry in std::fs::read_dir(self.world.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        self.copy.write(self.world.path());
    }

    fn member(&self, person: &str) -> &Member<'_> {
        let project = &self.project;
        let people = [&project.alice, &project.bob, &project.carol, &project.ci];
        people
            .into_iter()
            .find(|member| member.person == person)
            .unwrap_or(&self.dave)
    }

    /// Returns the repository in which a person works, set up for that person.
    fn repo(&self, person: &str) -> &Repo<'_> {
        if self.host != Host::Local {
            return &self.member(person).repo;
        }
        let repo = &self.project.alice.repo;
        let key = self.world.path().join(format!("home/{person}.key"));
        repo.git(&["config", "deploy.key", &key.to_string_lossy()])
            .ok();
        repo
    }

    /// Lets a person try what the row is about.
    pub fn attempt(&self, row: &Row, person: &str) -> Screen {
        let repo = self.repo(person);
        let run = match row.attempt {
            Attempt::Deploy(words) => {
                let mut words = words.to_vec();
                // Otherwise the client refuses, and the server says nothing.
                let can_skip = !matches!(words[0], "run" | "check");
                if self.host == Host::Server && can_skip {
                    let end = words.iter().position(|word| *word == "--");
                    words.insert(end.unwrap_or(words.len()), "--no-verify");
                }
                repo.deploy(&words)
            }
            Attempt::Push(refspec) => repo.git(&["push", "-q", "origin", refspec]),
            Attempt::Forged(build) => {
                let id = build(self.member(person));
                repo.git(&["push", "-q", "origin", &format!("+{id}:refs/deploy/prod")])
            }
        };
        Screen::new(&format!("{}\n{}", run.text(), run.err()))
    }

    /// Does what the words in capitals of a suggestion ask for, and what its text says to edit.
    fn fill_in(&self, command: &str, repo: &Repo<'_>) -> String {
        if command == "git deploy policy publish" {
            let file = repo.path().join("deploy.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            let edited = text
                .replace("by = \"alice\"", "by = [\"alice\", \"bob\", \"carol\"]")
                .replace(
                    "by = [\"alice\", \"carol\"]",
                    "by = [\"alice\", \"bob\", \"carol\"]",
                );
            assert_ne!(edited, text, "the admin has nothing to edit");
            repo.write("deploy.toml", &edited);
        }
        // The key of a person who joins.
        let erin = self.world.path().join("home/erin.key");
        let erin = erin.to_string_lossy();
        let joins = "git deploy person add NAME --key FILE --email ADDRESS";
        let add = format!(
            "git-deploy key new {erin} --no-password && git deploy person add erin --key {} --email erin@example.com",
            erin.replace(".key", ".pub")
        );
        let publish = if command.starts_with(joins) {
            " && git deploy policy publish"
        } else {
            ""
        };
        let command = command
            .replace(joins, &add)
            .replace(" -- COMMAND", " -- true");
        command + publish
    }

    /// Types a command as it is printed, in a shell. A question is answered with yes.
    pub fn type_command(&self, command: &str, person: &str) -> Run<'_> {
        let repo = self.repo(person);
        repo.git(&["fetch", "-q", "origin"]).ok();
        let command = &self.fill_in(command, repo);
        let mut typed = String::new();
        for part in command.split(" && ") {
            let asks = [
                "run",
                "promote",
                "rollback",
                "resume",
                "destroy",
                "policy publish",
            ]
            .iter()
            .any(|verb| part.starts_with(&format!("git deploy {verb}")));
            let yes = if asks { " --yes" } else { "" };
            let separator = if typed.is_empty() { "" } else { " && " };
            write!(typed, "{separator}{part}{yes}").unwrap();
        }
        // The word stands for an artifact, which no example can name.
        let digest = format!("registry.example/demo@sha256:{}", "1".repeat(64));
        let typed = typed.replace("NAME@DIGEST", &digest);
        repo.write(
            "FILE",
            "{\"result\": \"PASSED\", \"approvals\": 2, \"unresolved\": 0}",
        );
        repo.run("sh", &["-c", &typed])
    }
}

//! What the commands of a policy can read and change in each mode of `isolation`, as root and as an
//! ordinary user.
//!
//! `isolation = "off"` is the control: what an isolated command cannot do must succeed there.

mod borrowed_rights;
mod files;
mod own_git;
mod processes;
mod tools;
mod without_landlock;

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Project, Run, World, copy_program_to, has_tool};

/// The ordinary user. No real user has this number.
const USER: u32 = 61_011;
/// The variable that holds the key in the CI recipes.
const KEY_VARIABLE: &str = "GIT_DEPLOY_KEY";

/// Who runs a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// The user who runs the tests.
    Current,
    /// An ordinary user, if root runs the tests.
    Ordinary,
}

impl User {
    /// Lists the users that a test can act as.
    pub fn list() -> Vec<Self> {
        if rustix::process::getuid().is_root() && has_tool("setpriv") {
            vec![Self::Current, Self::Ordinary]
        } else {
            vec![Self::Current]
        }
    }

    /// Returns whether the user is root.
    pub fn is_root(self) -> bool {
        self == Self::Current && rustix::process::getuid().is_root()
    }
}

/// A project whose deployments a user runs in the machine's clone.
pub struct Site<'w> {
    pub project: Project<'w>,
    user: User,
}

impl<'w> Site<'w> {
    /// Makes a project with this policy and these files, and gives all of it to the user.
    pub fn new(world: &'w World, user: User, policy: &str, files: &[(&str, &str)]) -> Self {
        let project = Project::new(world, policy);
        for (file, content) in files {
            project.push(file, content);
        }
        let binary = world.path().join("git-deploy");
        copy_program_to(&binary);
        let site = Self { project, user };
        std::fs::create_dir(site.home("loot")).unwrap();
        site.give();
        site
    }

    /// Gives everything to the user.
    pub fn give(&self) {
        if self.user == User::Ordinary {
            let given = Command::new("chown")
                .args(["-R", &format!("{USER}:{USER}")])
                .arg(self.project.world.path())
                .status();
            assert!(given.unwrap().success());
        }
    }

    /// Returns the path of a file in the home.
    pub fn home(&self, file: &str) -> PathBuf {
        self.project.world.path().join("home").join(file)
    }

    /// Returns what commands have written to a file in `~/loot`.
    #[track_caller]
    pub fn loot(&self, file: &str) -> String {
        let text = std::fs::read(self.home("loot").join(file));
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Prepares a shell script in the machine's clone, as the user. It finds a copy of our program
    /// first, because others may not be able to read the build folder.
    pub fn shell(&self, script: &str) -> Command {
        let repo = &self.project.ci.repo;
        let mut command = match self.user {
            User::Current => repo.command("sh"),
            User::Ordinary => {
                let mut command = repo.command("setpriv");
                command.args([
                    format!("--reuid={USER}"),
                    format!("--regid={USER}"),
                    "--clear-groups".to_owned(),
                    "sh".to_owned(),
                ]);
                command
            }
        };
        let machine = std::env::var("PATH").unwrap();
        let folder = self.project.world.path().display();
        command
            .args(["-c", script])
            .env("PATH", format!("{folder}:{machine}"));
        command
    }

    /// Runs a shell script as the user.
    pub fn run(&self, script: &str) -> Run<'w> {
        Run::of(self.project.world, &mut self.shell(script))
    }

    /// Removes the machine's key and returns it.
    pub fn take_key(&self) -> String {
        self.run("git config --unset deploy.key").ok();
        let key = std::fs::read_to_string(self.home("ci.key")).unwrap();
        std::fs::remove_file(self.home("ci.key")).unwrap();
        key
    }
}

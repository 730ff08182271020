//! A repository of a world, and the commands that its owner runs in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Run, World};

pub struct Repo<'w> {
    world: &'w World,
    path: PathBuf,
    person: String,
}

impl<'w> Repo<'w> {
    pub(super) fn new(world: &'w World, path: PathBuf, person: &str) -> Self {
        Self {
            world,
            path,
            person: person.to_owned(),
        }
    }

    pub fn world(&self) -> &'w World {
        self.world
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its address for others of the same world.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Prepares a program in this repository, for tests that add to its environment; run it with
    /// [`Run::of`].
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program, &self.person);
        command.current_dir(&self.path);
        command
    }

    /// Runs git here.
    pub fn git(&self, arguments: &[&str]) -> Run<'w> {
        self.run("git", arguments)
    }

    /// Runs git here with this input; returns what it prints, without the last newline.
    pub fn git_with_input(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command("git");
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Runs our program here, directly rather than through git, which is slower and adds nothing.
    pub fn deploy(&self, arguments: &[&str]) -> Run<'w> {
        self.run("git-deploy", arguments)
    }

    /// Runs any program here.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Run<'w> {
        let mut command = self.command(program);
        command.args(arguments);
        Run::of(self.world, &mut command)
    }

    /// Writes a file below the work tree, with the folders it needs.
    pub fn write(&self, file: &str, content: &str) {
        let path = self.path.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits one file; returns the commit's id.
    pub fn commit(&self, file: &str, content: &str, message: &str) -> String {
        self.write(file, content);
        self.git(&["add", "--", file]).ok();
        self.git(&["commit", "-q", "-m", message]).ok();
        self.rev("HEAD")
    }

    /// Returns the id that a revision stands for.
    pub fn rev(&self, revision: &str) -> String {
        self.git(&["rev-parse", "--verify", "--end-of-options", revision])
            .ok()
            .text()
    }

    /// Installs an executable script as a hook of this bare repository.
    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path.join("hooks").join(name);
        self.write(&format!("hooks/{name}"), script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

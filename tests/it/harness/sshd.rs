//! A real sshd, which lets the keys in that a test made.
//!
//! It runs as the test's user, and that user is who logs in. What it starts has the environment that a server has, not the test's: a
//! home of its own, the folders of git and of the system to search, and the steered clock as it was at the start.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::daemon::Daemon;
use super::{Run, World, find_tool};

/// The tools that a test with such a server needs.
pub const SSHD: [&str; 3] = ["sshd", "ssh", "ssh-keygen"];

pub struct Sshd<'w> {
    world: &'w World,
    /// Keys, settings and the log.
    folder: PathBuf,
    /// The home of users who log in.
    pub home: PathBuf,
    daemon: Daemon,
}

impl<'w> Sshd<'w> {
    pub fn start(world: &'w World) -> Self {
        let (folder, home) = (world.path().join("ssh"), world.path().join("git"));
        for folder in [&folder, &home, &home.join(".ssh")] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(home.join(".ssh/authorized_keys"), "").unwrap();
        // Where root starts an sshd it asks for this folder, which the service's own script makes.
        let _ = std::fs::create_dir_all("/run/sshd");
        keygen(world, &folder.join("host"));
        let program = find_tool("sshd").unwrap();
        let daemon = Daemon::start(&folder.join("log"), |port| {
            std::fs::write(
                folder.join("sshd_config"),
                settings(world, &folder, &home, port),
            )
            .unwrap();
            let mut command = Command::new(&program);
            command
                .env_clear()
                .args(["-D", "-e", "-f"])
                .arg(folder.join("sshd_config"));
            command
        });
        let host = std::fs::read_to_string(folder.join("host.pub")).unwrap();
        let known = format!("[127.0.0.1]:{} {host}", daemon.port);
        std::fs::write(folder.join("known_hosts"), known).unwrap();
        Self {
            world,
            folder,
            home,
            daemon,
        }
    }

    /// Makes a key for somebody; returns the public half's file. Nobody lets it in yet.
    pub fn key(&self, person: &str) -> PathBuf {
        let file = self.folder.join(person);
        keygen(self.world, &file);
        let path = self.folder.display();
        let settings = format!(
            "IdentityFile {path}/{person}\nIdentitiesOnly yes\nIdentityAgent none\n\
             UserKnownHostsFile {path}/known_hosts\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n"
        );
        std::fs::write(self.folder.join(format!("{person}.config")), settings).unwrap();
        self.folder.join(format!("{person}.pub"))
    }

    /// Lets a key in that may speak to git and do nothing else.
    pub fn admit(&self, public: &Path) {
        let file = self.home.join(".ssh/authorized_keys");
        let mut keys = std::fs::read_to_string(&file).unwrap();
        keys += r#"restrict,command="git-shell -c \"$SSH_ORIGINAL_COMMAND\"" "#;
        keys += &std::fs::read_to_string(public).unwrap();
        std::fs::write(file, keys).unwrap();
    }

    /// Returns the value of `core.sshCommand` that logs in with this person's key.
    pub fn command(&self, person: &str) -> String {
        format!("ssh -F {}/{person}.config", self.folder.display())
    }

    pub fn port(&self) -> u16 {
        self.daemon.port
    }

    /// Returns the address of a repository, with its path as a user who logs in would write it.
    pub fn url(&self, path: &str) -> String {
        format!(
            "ssh://127.0.0.1:{}/{}",
            self.daemon.port,
            path.trim_start_matches('/')
        )
    }
}

fn settings(world: &World, folder: &Path, home: &Path, port: u16) -> String {
    let (folder, home, now) = (folder.display(), home.display(), world.now());
    let git = find_tool("git").unwrap();
    let git = git.parent().unwrap().display();
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         AuthorizedKeysFile {home}/.ssh/authorized_keys\nAcceptEnv GIT_PROTOCOL\n\
         SetEnv HOME={home} PATH={git}:/usr/bin:/bin GIT_CONFIG_NOSYSTEM=1 GIT_DEPLOY_TEST_NOW={now}\n"
    )
}

fn keygen(world: &World, file: &Path) {
    let mut command = world.command("ssh-keygen", "nobody");
    Run::of(
        world,
        command
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
            .arg(file),
    )
    .ok();
}

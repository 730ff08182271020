//! A real web server, lighttpd, that serves a world's repositories with git's own `git
//! http-backend`, with passwords.
//!
//! The programs that it starts have no home, only the folders of git and of the system on their
//! path, and the steered clock of the start.

use std::path::Path;
use std::process::Command;

use super::daemon::Daemon;
use super::{Run, World, find_tool};

/// The tools that a test with such a server needs.
pub const WEB: [&str; 1] = ["lighttpd"];
/// The password of everybody who is listed.
const PASSWORD: &str = "open sesame";
/// The same, as `openssl passwd -apr1` writes it for a server.
const HASHED: &str = "$apr1$gitdeplo$JANpITbn/luyAuBTlyNSx/";

pub struct Web(Daemon);

impl Web {
    pub fn start(world: &World, people: &[&str]) -> Self {
        let folder = world.path().join("web");
        std::fs::create_dir(&folder).unwrap();
        let passwords: Vec<String> = people
            .iter()
            .map(|person| format!("{person}:{HASHED}\n"))
            .collect();
        std::fs::write(folder.join("passwords"), passwords.concat()).unwrap();
        let exec_path = Run::of(world, world.command("git", "nobody").arg("--exec-path"))
            .ok()
            .text();
        let program = find_tool("lighttpd").unwrap();
        let daemon = Daemon::start(&folder.join("log"), |port| {
            let file = folder.join("lighttpd.conf");
            std::fs::write(&file, settings(world, &folder, &exec_path, port)).unwrap();
            let mut command = Command::new(&program);
            command.env_clear().arg("-D").arg("-f").arg(file);
            command
        });
        Self(daemon)
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Returns the address of a repository of the world.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/git/{name}", self.0.port)
    }

    /// Returns a value of `credential.helper` that gives this person's password, or a wrong one.
    pub fn helper(person: &str, right: bool) -> String {
        let password = if right { PASSWORD } else { "open barley" };
        format!("!f() {{ echo username={person}; echo 'password={password}'; }}; f")
    }
}

fn settings(world: &World, folder: &Path, exec_path: &str, port: u16) -> String {
    let (root, folder, now) = (world.path().display(), folder.display(), world.now());
    format!(
        r#"server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}"
server.upload-dirs = ( "{folder}" )
server.modules += ( "mod_alias", "mod_auth", "mod_authn_file", "mod_cgi", "mod_setenv" )
alias.url = ( "/git" => "{exec_path}/git-http-backend" )
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "{folder}/passwords"
auth.require = ( "/git" => ( "method" => "basic", "realm" => "git", "require" => "valid-user" ) )
$HTTP["url"] =~ "^/git" {{
    cgi.assign = ( "" => "" )
    setenv.add-environment = (
        "GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "PATH" => "/usr/bin:/bin",
        "GIT_CONFIG_NOSYSTEM" => "1", "GIT_DEPLOY_TEST_NOW" => "{now}"
    )
}}
"#
    )
}

//! `git deploy demo`: a tour with a real server and four clones, from the first commit to a refused
//! and an accepted push.
//!
//! Nothing is canned: the tour runs every command that it prints, and stops if one of them does not
//! end as expected.

mod run_tour;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anstyle::{AnsiColor, Style};

use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};

/// Create a sandbox with a server and run a tour of git-deploy
///
/// The tour takes a commit from dev through qa and stage to prod. On the way the server refuses a
/// promotion that skips stage. In the second part a deployment fails its verification and is rolled
/// back automatically. The sandbox remains for you to explore.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Run the tour in ./git-deploy-demo:
    git deploy demo

  Run it in another folder:
    git deploy demo /tmp/tour")]
pub struct Args {
    /// The folder to create. It must not exist yet
    #[arg(default_value = "git-deploy-demo", value_name = "DIR")]
    directory: PathBuf,
}

/// The people of the tour. The first is the admin.
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "ci"];

/// The tour's policy, except its list of people.
const POLICY: &str = r#"
[groups]
release = ["bob", "carol"]

[environments]
dev   = {}
qa    = { promote_from = "dev" }
stage = { promote_from = "qa" }

[environments.prod]
promote_from = "stage"
approvals    = { required = 2, by = "release" }
checks       = ["test-result"]
artifact     = "required"

[components]
api = { paths = ["api/**"] }
web = { paths = ["web/**"] }

[checks]
test-result = { by = "ci" }

[artifacts]
by = "ci"
"#;

/// Creates the sandbox and runs the tour.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let root =
        std::path::absolute(&args.directory).context(ErrorKind::Usage, "cannot use this folder")?;
    if root.exists() {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{} already exists", root.display()),
        )
        .hint("git deploy demo DIR, with a folder that does not exist yet"));
    }
    std::fs::create_dir_all(root.join("keys")).context(
        ErrorKind::CannotTell,
        format!("cannot create {}", root.display()),
    )?;
    let tour = Tour { root, ui };
    tour.set_up()?;
    tour.deploy_to_dev_and_qa()?;
    tour.show_refusal()?;
    tour.show_acceptance()?;
    tour.show_history()?;
    tour.run_second_part()?;
    tour.print_farewell();
    Ok(())
}

/// A running tour.
struct Tour<'a> {
    root: PathBuf,
    ui: &'a Ui,
}

/// How a command of the tour is expected to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ExpectedEnd {
    /// Successfully.
    Success,
    /// With a refusal: exit status 1.
    Refused,
    /// With a failed command of the policy: exit status 4.
    Failed,
}

impl Tour<'_> {
    fn set_up(&self) -> Result<(), CliError> {
        self.print_chapter("A server, and a key for everyone");
        self.run_git(
            ".",
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                "server.git",
            ],
        )?;
        for person in PEOPLE {
            self.run_deploy(
                ".",
                &["key", "new", &format!("keys/{person}.key"), "--no-password"],
            )?;
        }
        self.run_deploy(
            ".",
            &["server", "init", "server.git", "--admin", "keys/alice.pub"],
        )?;

        self.print_chapter("A project with two components, and its policy");
        self.clone_server("alice")?;
        self.write_file("alice/api/server.txt", "api 1\n")?;
        self.write_file("alice/web/index.html", "<h1>web 1</h1>\n")?;
        self.write_file("alice/deploy.toml", &self.compose_policy()?)?;
        self.print_command("alice", "cat deploy.toml");
        self.print_text(&indent(&self.compose_policy()?));
        self.run_git("alice", &["add", "."])?;
        self.run_git("alice", &["commit", "--quiet", "-m", "Serve the catalogue"])?;
        self.run_git("alice", &["push", "--quiet", "origin", "main"])?;
        self.run_deploy("alice", &["init", "--yes"])?;
        for person in &PEOPLE[1..] {
            self.clone_server(person)?;
        }
        self.run_deploy("ci", &["sync"])
    }

    fn deploy_to_dev_and_qa(&self) -> Result<(), CliError> {
        self.print_chapter("CI says what it tested and what it built");
        self.run_deploy("ci", &["attest", "test-result", "--result", "passed"])?;
        for component in ["api", "web"] {
            let image = format!(
                "registry.example/{component}@{}",
                crate::domain::id::Digest::sha256(component.as_bytes())
            );
            self.run_deploy("ci", &["register", &image, "--component", component])?;
        }
        self.print_chapter("dev, then qa");
        self.run_deploy("ci", &["record", "dev", "--verification", "passed"])?;
        self.run_deploy("ci", &["record", "qa", "--verification", "passed"])
    }

    fn show_refusal(&self) -> Result<(), CliError> {
        self.print_chapter("Straight to prod? Everyone can ask first");
        self.run_deploy_expecting("ci", &["check", "prod"], ExpectedEnd::Refused)?;
        self.print_chapter("And who does not ask is refused by the server");
        self.run_deploy_expecting(
            "ci",
            &[
                "record",
                "prod",
                "--no-verify",
                "-m",
                "Skip stage, nobody will notice",
            ],
            ExpectedEnd::Refused,
        )
    }

    fn show_acceptance(&self) -> Result<(), CliError> {
        self.print_chapter("Stage, and the two approvals");
        self.run_deploy("ci", &["record", "stage", "--verification", "passed"])?;
        self.run_deploy("bob", &["approve", "prod", "-m", "Canary looks good"])?;
        self.run_deploy("carol", &["approve", "prod"])?;
        self.print_chapter("Now the server lets it in");
        self.run_deploy("ci", &["record", "prod", "--verification", "passed"])?;
        self.run_deploy("ci", &["status"])
    }

    fn show_history(&self) -> Result<(), CliError> {
        self.print_chapter("Anyone with a clone sees the whole story, with plain git");
        self.run_git("ci", &["log", "--notes=deploy", "-1"])?;
        self.print_chapter("Or asks git-deploy, which checks every signature and every rule again");
        self.run_deploy("ci", &["show"])?;
        self.run_deploy("ci", &["audit"])
    }

    fn print_farewell(&self) {
        let mut text = format!("The sandbox is yours: {}\n", self.root.display());
        text += "Three things to try, each in a clone of somebody:\n";
        let tries = [
            (
                "alice",
                "change api/server.txt, commit, push, then: git deploy record dev && git deploy status",
            ),
            (
                "bob",
                "git deploy lock prod -m \"incident 4711\", then in ci: git deploy sync && git deploy check prod",
            ),
            (
                "ci",
                "git push origin :refs/deploy/prod, and see who says no",
            ),
        ];
        for (number, (person, what)) in (1..).zip(tries) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {number}. {person}: {what}");
        }
        self.print_text("");
        self.print_text(&text);
    }

    /// Clones the server's repository for a person, who signs with their own key.
    fn clone_server(&self, person: &str) -> Result<(), CliError> {
        self.run_git(".", &["clone", "--quiet", "server.git", person])?;
        let key = self.root.join("keys").join(format!("{person}.key"));
        let key = key
            .to_str()
            .ok_or_else(|| CliError::new(ErrorKind::Usage, "the folder's name must be UTF-8"))?;
        let email = format!("{person}@example.com");
        // The user's global settings, such as hooks and commit signing, must not change the tour.
        let settings = [
            ("deploy.key", key),
            ("user.name", person),
            ("user.email", &email),
        ];
        for (name, value) in settings {
            self.run_git(person, &["config", name, value])?;
        }
        for (name, value) in [
            ("commit.gpgSign", "false"),
            ("core.hooksPath", ".git/hooks"),
        ] {
            self.run_git_quietly(person, &["config", name, value])?;
        }
        Ok(())
    }

    fn compose_policy(&self) -> Result<String, CliError> {
        let mut text =
            "schema  = 1\nproject = \"catalogue\"\nunowned = \"free\"\n\n[people]\n".to_owned();
        for person in PEOPLE {
            let file = self.root.join("keys").join(format!("{person}.pub"));
            let key = crate::signing::key::read_public_key(&file)
                .context(ErrorKind::CannotTell, "cannot read a key just made")?;
            let line = if person == "ci" {
                format!("{person:<5} = {{ key = \"{key}\", machine = true }}\n")
            } else {
                format!(
                    "{person:<5} = {{ key = \"{key}\", emails = [\"{person}@example.com\"] }}\n"
                )
            };
            text += &line;
        }
        Ok(text + POLICY)
    }

    fn write_file(&self, path: &str, text: &str) -> Result<(), CliError> {
        let file = self.root.join(path);
        let folder = file.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, text))
            .context(
                ErrorKind::CannotTell,
                format!("cannot write {}", file.display()),
            )
    }

    fn run_git(&self, place: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.print_command(place, &format!("git {}", quote_arguments(arguments)));
        self.run_command(Path::new("git"), place, arguments, ExpectedEnd::Success)
    }

    fn run_git_quietly(&self, place: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.run_command(Path::new("git"), place, arguments, ExpectedEnd::Success)
    }

    fn run_deploy(&self, place: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.run_deploy_expecting(place, arguments, ExpectedEnd::Success)
    }

    fn run_deploy_expecting(
        &self,
        place: &str,
        arguments: &[&str],
        end: ExpectedEnd,
    ) -> Result<(), CliError> {
        self.print_command(place, &format!("git deploy {}", quote_arguments(arguments)));
        let program = std::env::current_exe()
            .context(ErrorKind::CannotTell, "cannot find this program's own file")?;
        self.run_command(&program, place, arguments, end)
    }

    /// Runs a command with the terminal as its output, and checks how it ends.
    fn run_command(
        &self,
        program: &Path,
        place: &str,
        arguments: &[&str],
        end: ExpectedEnd,
    ) -> Result<(), CliError> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.root.join(place))
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            // Variables that point to another repository or key must not reach the sandbox.
            if name.to_str().is_some_and(|name| {
                name.starts_with("GIT_")
                    && !name.starts_with("GIT_DEPLOY_TEST")
                    && name != "GIT_CONFIG_NOSYSTEM"
                    && name != "GIT_CONFIG_GLOBAL"
            }) {
                command.env_remove(&name);
            }
        }
        let status = command.status().context(
            ErrorKind::CannotTell,
            format!("cannot run {}", program.display()),
        )?;
        let expected = match end {
            ExpectedEnd::Success => 0,
            ExpectedEnd::Refused => 1,
            ExpectedEnd::Failed => 4,
        };
        if status.code() == Some(expected) {
            return Ok(());
        }
        Err(CliError::new(
            ErrorKind::CannotTell,
            format!(
                "the tour ends here: {} {} did not end as it should ({status})",
                program.display(),
                quote_arguments(arguments)
            ),
        ))
    }

    fn print_chapter(&self, title: &str) {
        let style = Style::new().bold();
        self.print_text(&format!("\n{style}## {title}{style:#}\n"));
    }

    fn print_command(&self, place: &str, command: &str) {
        let style = AnsiColor::Cyan.on_default();
        let prompt = if place == "." {
            String::new()
        } else {
            place.to_owned()
        };
        self.print_text(&format!("{style}{prompt}${style:#} {command}"));
    }

    fn print_text(&self, text: &str) {
        self.ui.print(text);
    }
}

/// Joins arguments as a user would type them.
fn quote_arguments(arguments: &[&str]) -> String {
    let quote = |argument: &&str| {
        if argument.contains(' ') {
            format!("\"{argument}\"")
        } else {
            (*argument).to_owned()
        }
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

//! `git deploy demo`: a tour with a real server and four clones, from the first commit to a refused
//! and an accepted push.
//!
//! The tour runs each of the commands that it prints, except `cat`, and stops if one does not end as
//! expected.

mod second_part;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anstyle::{AnsiColor, Style};

use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::git::private_files::create_folder;

/// Create a sandbox with a server and run a tour of git-deploy
///
/// The tour takes a commit from dev through qa and stage to prod. On the way the server refuses a
/// promotion that skips stage. In the second part a deployment fails its verification and is rolled
/// back automatically. On a terminal, it waits for Enter between its parts. The sandbox remains for
/// you to explore.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Run the tour in ./git-deploy-demo:
    git deploy demo

  Run it in another folder:
    git deploy demo /tmp/tour

  Run it without waiting for Enter:
    git deploy demo --no-pause")]
pub struct Args {
    /// The folder to create, which must not exist yet
    #[arg(default_value = "git-deploy-demo", value_name = "DIR")]
    directory: PathBuf,
    /// Do not wait for Enter between the parts
    #[arg(long)]
    no_pause: bool,
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
    create_folder(&root.join("keys")).context(
        ErrorKind::CannotTell,
        format!("cannot create {}", root.display()),
    )?;
    let tour = Tour { root, ui };
    let parts = [
        Tour::set_up,
        Tour::deploy_to_dev_and_qa,
        Tour::show_refusal,
        Tour::show_acceptance,
        Tour::show_history,
        Tour::run_second_part,
    ];
    for (index, part) in parts.iter().enumerate() {
        if index > 0 && !args.no_pause {
            ui.wait_for_enter()?;
        }
        part(&tour)?;
    }
    tour.print_farewell();
    Ok(())
}

/// A running tour.
struct Tour<'a> {
    /// The sandbox folder. It contains the server's repository and the clones.
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
        self.print_chapter("A server, and a key for each person");
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
        self.write_file("alice/deploy.toml", &self.build_policy()?)?;
        self.print_command("alice", "cat deploy.toml");
        self.print_text(&indent(&self.build_policy()?));
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
        self.print_chapter("CI records its test results and the images it built");
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
        self.print_chapter("Straight to prod? Anyone can check first");
        self.run_deploy_expecting("ci", &["check", "prod"], ExpectedEnd::Refused)?;
        self.print_chapter("The server refuses a push that skips stage");
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
        self.print_chapter("Now the server accepts it");
        self.run_deploy("ci", &["record", "prod", "--verification", "passed"])?;
        self.run_deploy("ci", &["status"])
    }

    fn show_history(&self) -> Result<(), CliError> {
        self.print_chapter("Anyone with a clone can read the history with plain git");
        self.run_git("ci", &["log", "--notes=deploy", "-1"])?;
        self.print_chapter("More detail, and an audit of every signature and every rule");
        self.run_deploy("ci", &["show"])?;
        self.run_deploy("ci", &["audit"])
    }

    /// Prints where the sandbox is and what to try next.
    fn print_farewell(&self) {
        let mut text = format!("The sandbox remains in {}\n", self.root.display());
        text += "Three things to try, each in the clone of that name:\n";
        let suggestions = [
            (
                "alice",
                "change api/server.txt, commit, push, then: git deploy record dev --component api && git deploy status",
            ),
            (
                "bob",
                "git deploy lock prod -m \"incident 4711\", then in ci: git deploy sync && git deploy check prod",
            ),
            (
                "ci",
                "git push origin :refs/deploy/prod, which the server refuses",
            ),
        ];
        for (number, (person, steps)) in (1..).zip(suggestions) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {number}. {person}: {steps}");
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
        let settings = [
            ("deploy.key", key),
            ("user.name", person),
            ("user.email", &email),
        ];
        for (name, value) in settings {
            self.run_git(person, &["config", name, value])?;
        }
        // The user's global settings for hooks and commit signing must not change the tour.
        for (name, value) in [
            ("commit.gpgSign", "false"),
            ("core.hooksPath", ".git/hooks"),
        ] {
            self.run_git_quietly(person, &["config", name, value])?;
        }
        Ok(())
    }

    /// Returns the tour's policy with the public keys of its people.
    fn build_policy(&self) -> Result<String, CliError> {
        let mut text =
            "schema  = 1\nproject = \"catalogue\"\nunowned = \"free\"\n\n[people]\n".to_owned();
        for person in PEOPLE {
            let file = self.root.join("keys").join(format!("{person}.pub"));
            let key = crate::signing::key::read_public_key(&file)
                .context(ErrorKind::CannotTell, "cannot read a new key")?;
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

    /// Prints and runs a git command. `folder` is relative to the sandbox.
    fn run_git(&self, folder: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.print_command(folder, &format!("git {}", quote_arguments(arguments)));
        self.run_command(Path::new("git"), folder, arguments, ExpectedEnd::Success)
    }

    fn run_git_quietly(&self, folder: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.run_command(Path::new("git"), folder, arguments, ExpectedEnd::Success)
    }

    fn run_deploy(&self, folder: &str, arguments: &[&str]) -> Result<(), CliError> {
        self.run_deploy_expecting(folder, arguments, ExpectedEnd::Success)
    }

    /// Prints and runs a command of this program.
    fn run_deploy_expecting(
        &self,
        folder: &str,
        arguments: &[&str],
        end: ExpectedEnd,
    ) -> Result<(), CliError> {
        self.print_command(
            folder,
            &format!("git deploy {}", quote_arguments(arguments)),
        );
        let program = std::env::current_exe()
            .context(ErrorKind::CannotTell, "cannot find this program's own file")?;
        self.run_command(&program, folder, arguments, end)
    }

    /// Runs a command with the terminal as its output, and checks how it ends.
    fn run_command(
        &self,
        program: &Path,
        folder: &str,
        arguments: &[&str],
        end: ExpectedEnd,
    ) -> Result<(), CliError> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.root.join(folder))
            // Logs and checkouts stay in the sandbox.
            .env("XDG_CACHE_HOME", self.root.join("cache"))
            // A pager would stop the tour in the middle of a part.
            .env("GIT_PAGER", "cat")
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            // Variables that point to another repository or key must not affect the tour.
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
                "the tour stops here: {} {} did not end as expected ({status})",
                program.display(),
                quote_arguments(arguments)
            ),
        ))
    }

    fn print_chapter(&self, title: &str) {
        let style = Style::new().bold();
        self.print_text(&format!("\n{style}## {title}{style:#}\n"));
    }

    fn print_command(&self, folder: &str, command: &str) {
        let style = AnsiColor::Cyan.on_default();
        let prompt = if folder == "." {
            String::new()
        } else {
            folder.to_owned()
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

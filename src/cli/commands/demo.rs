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

use crate::cli::{Context, Failure, Kind, OrFail as _};

/// Make a sandbox with a real server repository and hooks, and take a tour
///
/// The tour follows a commit from dev through qa and stage to prod, and sees the server refuse a promotion that skipped stage. In its second act
/// a deployment fails its verification and goes back by itself. The sandbox stays for you to go on in.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to make; it must not exist yet
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
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let root =
        std::path::absolute(&args.directory).or_fail(Kind::Usage, "cannot use this folder")?;
    if root.exists() {
        return Err(
            Failure::new(Kind::Usage, format!("{} is there already", root.display()))
                .hint("git deploy demo DIR, with a folder that is not there yet"),
        );
    }
    std::fs::create_dir_all(root.join("keys"))
        .or_fail(Kind::CannotTell, format!("cannot make {}", root.display()))?;
    let tour = Tour { root, context };
    tour.set_up()?;
    tour.first_deployments()?;
    tour.refused()?;
    tour.accepted()?;
    tour.look_back()?;
    tour.second_act()?;
    tour.farewell();
    Ok(())
}

/// A running tour.
struct Tour<'a> {
    root: PathBuf,
    context: &'a Context,
}

/// How a command of the tour is expected to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Successfully.
    Well,
    /// With a refusal: exit status 1.
    Refused,
    /// With a failed command of the policy: exit status 4.
    Failed,
}

impl Tour<'_> {
    fn set_up(&self) -> Result<(), Failure> {
        self.chapter("A server, and a key for everyone");
        self.git(
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
            self.deploy(
                ".",
                &["key", "new", &format!("keys/{person}.key"), "--no-password"],
            )?;
        }
        self.deploy(
            ".",
            &["server", "init", "server.git", "--admin", "keys/alice.pub"],
        )?;

        self.chapter("A project with two components, and its policy");
        self.clone("alice")?;
        self.write("alice/api/server.txt", "api 1\n")?;
        self.write("alice/web/index.html", "<h1>web 1</h1>\n")?;
        self.write("alice/deploy.toml", &self.policy()?)?;
        self.show("alice", "cat deploy.toml");
        self.say(&indented(&self.policy()?));
        self.git("alice", &["add", "."])?;
        self.git("alice", &["commit", "--quiet", "-m", "Serve the catalogue"])?;
        self.git("alice", &["push", "--quiet", "origin", "main"])?;
        self.deploy("alice", &["init", "--yes"])?;
        for person in &PEOPLE[1..] {
            self.clone(person)?;
        }
        self.deploy("ci", &["sync"])
    }

    fn first_deployments(&self) -> Result<(), Failure> {
        self.chapter("CI says what it tested and what it built");
        self.deploy("ci", &["attest", "test-result", "--result", "passed"])?;
        for component in ["api", "web"] {
            let image = format!(
                "registry.example/{component}@{}",
                crate::domain::id::Digest::sha256(component.as_bytes())
            );
            self.deploy("ci", &["register", &image, "--component", component])?;
        }
        self.chapter("dev, then qa");
        self.deploy("ci", &["record", "dev", "--verification", "passed"])?;
        self.deploy("ci", &["record", "qa", "--verification", "passed"])
    }

    fn refused(&self) -> Result<(), Failure> {
        self.chapter("Straight to prod? Everyone can ask first");
        self.deploy_to("ci", &["check", "prod"], End::Refused)?;
        self.chapter("And who does not ask is refused by the server");
        self.deploy_to(
            "ci",
            &[
                "record",
                "prod",
                "--no-verify",
                "-m",
                "Skip stage, nobody will notice",
            ],
            End::Refused,
        )
    }

    fn accepted(&self) -> Result<(), Failure> {
        self.chapter("Stage, and the two approvals");
        self.deploy("ci", &["record", "stage", "--verification", "passed"])?;
        self.deploy("bob", &["approve", "prod", "-m", "Canary looks good"])?;
        self.deploy("carol", &["approve", "prod"])?;
        self.chapter("Now the server lets it in");
        self.deploy("ci", &["record", "prod", "--verification", "passed"])?;
        self.deploy("ci", &["status"])
    }

    fn look_back(&self) -> Result<(), Failure> {
        self.chapter("Anyone with a clone sees the whole story, with plain git");
        self.git("ci", &["log", "--notes=deploy", "-1"])?;
        self.chapter("Or asks git-deploy, which checks every signature and every rule again");
        self.deploy("ci", &["show"])?;
        self.deploy("ci", &["audit"])
    }

    fn farewell(&self) {
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
        self.say("");
        self.say(&text);
    }

    /// Clones the server's repository for a person, who signs with their own key.
    fn clone(&self, person: &str) -> Result<(), Failure> {
        self.git(".", &["clone", "--quiet", "server.git", person])?;
        let key = self.root.join("keys").join(format!("{person}.key"));
        let key = key
            .to_str()
            .ok_or_else(|| Failure::new(Kind::Usage, "the folder's name must be UTF-8"))?;
        let email = format!("{person}@example.com");
        // The user's global settings, such as hooks and commit signing, must not change the tour.
        let settings = [
            ("deploy.key", key),
            ("user.name", person),
            ("user.email", &email),
        ];
        for (name, value) in settings {
            self.git(person, &["config", name, value])?;
        }
        for (name, value) in [
            ("commit.gpgSign", "false"),
            ("core.hooksPath", ".git/hooks"),
        ] {
            self.quietly(person, &["config", name, value])?;
        }
        Ok(())
    }

    fn policy(&self) -> Result<String, Failure> {
        let mut text =
            "schema  = 1\nproject = \"catalogue\"\nunowned = \"free\"\n\n[people]\n".to_owned();
        for person in PEOPLE {
            let file = self.root.join("keys").join(format!("{person}.pub"));
            let key = crate::signing::key::read_public(&file)
                .or_fail(Kind::CannotTell, "cannot read a key just made")?;
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

    fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let file = self.root.join(path);
        let folder = file.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, text))
            .or_fail(Kind::CannotTell, format!("cannot write {}", file.display()))
    }

    fn git(&self, place: &str, arguments: &[&str]) -> Result<(), Failure> {
        self.show(place, &format!("git {}", shown(arguments)));
        self.carry_out(Path::new("git"), place, arguments, End::Well)
    }

    fn quietly(&self, place: &str, arguments: &[&str]) -> Result<(), Failure> {
        self.carry_out(Path::new("git"), place, arguments, End::Well)
    }

    fn deploy(&self, place: &str, arguments: &[&str]) -> Result<(), Failure> {
        self.deploy_to(place, arguments, End::Well)
    }

    fn deploy_to(&self, place: &str, arguments: &[&str], end: End) -> Result<(), Failure> {
        self.show(place, &format!("git deploy {}", shown(arguments)));
        let program = std::env::current_exe()
            .or_fail(Kind::CannotTell, "cannot find this program's own file")?;
        self.carry_out(&program, place, arguments, end)
    }

    /// Runs a command with the terminal as its output, and checks how it ends.
    fn carry_out(
        &self,
        program: &Path,
        place: &str,
        arguments: &[&str],
        end: End,
    ) -> Result<(), Failure> {
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
        let status = command.status().or_fail(
            Kind::CannotTell,
            format!("cannot run {}", program.display()),
        )?;
        let expected = match end {
            End::Well => 0,
            End::Refused => 1,
            End::Failed => 4,
        };
        if status.code() == Some(expected) {
            return Ok(());
        }
        Err(Failure::new(
            Kind::CannotTell,
            format!(
                "the tour ends here: {} {} did not end as it should ({status})",
                program.display(),
                shown(arguments)
            ),
        ))
    }

    fn chapter(&self, title: &str) {
        let style = Style::new().bold();
        self.say(&format!("\n{style}## {title}{style:#}\n"));
    }

    fn show(&self, place: &str, command: &str) {
        let style = AnsiColor::Cyan.on_default();
        let prompt = if place == "." {
            String::new()
        } else {
            place.to_owned()
        };
        self.say(&format!("{style}{prompt}${style:#} {command}"));
    }

    fn say(&self, text: &str) {
        self.context.print(text);
    }
}

/// Joins arguments as a user would type them.
fn shown(arguments: &[&str]) -> String {
    let quote = |argument: &&str| {
        if argument.contains(' ') {
            format!("\"{argument}\"")
        } else {
            (*argument).to_owned()
        }
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

//! The first part of the tour: a commit goes from dev through qa and stage to prod, which is recorded,
//! and the server refuses a promotion that skips stage.

use super::tour::{ExpectedEnd, Tour};
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::Digest;
use crate::signing::key::read_public_key;

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

impl Tour<'_> {
    /// Creates the server, the keys and the project.
    pub(super) fn set_up(&self) -> Result<(), CliError> {
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
        self.print_indented(&self.build_policy()?);
        self.run_git("alice", &["add", "."])?;
        self.run_git("alice", &["commit", "--quiet", "-m", "Serve the catalogue"])?;
        self.run_git("alice", &["push", "--quiet", "origin", "main"])?;
        self.run_deploy("alice", &["init", "--yes"])?;
        for person in &PEOPLE[1..] {
            self.clone_server(person)?;
        }
        self.run_deploy("ci", &["sync"])
    }

    /// Records the first two deployments.
    pub(super) fn deploy_to_dev_and_qa(&self) -> Result<(), CliError> {
        self.print_chapter("CI records its test results and the images it built");
        self.run_deploy("ci", &["attest", "test-result", "--result", "passed"])?;
        for component in ["api", "web"] {
            let image = format!(
                "registry.example/{component}@{}",
                Digest::sha256(component.as_bytes())
            );
            self.run_deploy("ci", &["register", &image, "--component", component])?;
        }
        self.print_chapter("dev, then qa");
        self.run_deploy("ci", &["record", "dev", "--verification", "passed"])?;
        self.run_deploy("ci", &["record", "qa", "--verification", "passed"])
    }

    /// Shows how a promotion that skips stage is refused.
    pub(super) fn show_refusal(&self) -> Result<(), CliError> {
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

    /// Gives the approvals and deploys to prod.
    pub(super) fn show_acceptance(&self) -> Result<(), CliError> {
        self.print_chapter("Stage, and the two approvals");
        self.run_deploy("ci", &["record", "stage", "--verification", "passed"])?;
        self.run_deploy("bob", &["approve", "prod", "-m", "Canary looks good"])?;
        self.run_deploy("carol", &["approve", "prod"])?;
        self.print_chapter("Now the server accepts it");
        self.run_deploy("ci", &["record", "prod", "--verification", "passed"])?;
        self.run_deploy("ci", &["status"])
    }

    /// Shows the history and audits it.
    pub(super) fn show_history(&self) -> Result<(), CliError> {
        self.print_chapter("Anyone with a clone can read the history with plain git");
        self.run_git("ci", &["log", "--notes=deploy", "-1"])?;
        self.print_chapter("More detail, and an audit of every signature and every rule");
        self.run_deploy("ci", &["show"])?;
        self.run_deploy("ci", &["audit"])
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
    pub(super) fn build_policy(&self) -> Result<String, CliError> {
        let mut text =
            "schema  = 1\nproject = \"catalogue\"\nunowned = \"free\"\n\n[people]\n".to_owned();
        for person in PEOPLE {
            let file = self.root.join("keys").join(format!("{person}.pub"));
            let key =
                read_public_key(&file).context(ErrorKind::CannotTell, "cannot read a new key")?;
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
}

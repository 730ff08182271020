//! The second part of the tour: git-deploy runs a deployment, rolls back one that fails, and
//! destroys an environment.
//!
//! It uses the sample in `testdata/site`, whose commands serve a page on the loopback interface.

use std::path::Path;

use super::tour::{ExpectedEnd, Tour};
use crate::cli::{CliError, ErrorKind};

/// The sample's policy. Its tables from the first `[environments…]` on are added to the tour's
/// policy.
const POLICY: &str = include_str!("../../../../testdata/site/deploy.toml");
/// The sample's web server.
const SERVER_SCRIPT: &str = include_str!("../../../../testdata/site/web/site.pl");
/// The line that declares the component in the policy of the first part.
const COMPONENT_LINE: &str = "web = { paths = [\"web/**\"] }\n";

/// The deployment of the page. The other component is deployed by another system.
const FIRST_RUN: [&str; 9] = [
    "run",
    "pr-1",
    "--component",
    "web",
    "--ttl",
    "1h",
    "--change",
    "1",
    "--yes",
];

impl Tour<'_> {
    /// Runs the second part. Skips it if Perl is not installed.
    pub(super) fn run_second_part(&self) -> Result<(), CliError> {
        self.print_chapter(
            "Second part: git-deploy runs the deployments itself, here for a change request",
        );
        if self
            .run_command(Path::new("perl"), ".", &["-e", "1"], ExpectedEnd::Success)
            .is_err()
        {
            self.print_text("This part needs perl, which is not installed.");
            return Ok(());
        }
        self.publish_commands()?;
        self.run_deploy("alice", &FIRST_RUN)?;
        self.fetch_page()?;
        self.print_chapter(
            "A page fails its verification: the previous one is restored automatically",
        );
        self.commit_page("<h1>web 3\n", "Forget to close the heading")?;
        let again = ["run", "pr-1", "--component", "web", "--yes"];
        self.run_deploy_expecting("alice", &again, ExpectedEnd::Failed)?;
        self.fetch_page()?;
        self.run_deploy("alice", &["status", "pr-1"])?;
        self.print_chapter("The change request is closed");
        self.run_deploy("alice", &["destroy", "pr-1", "--yes"])?;
        self.run_deploy("alice", &["log", "pr-1"])
    }

    /// Publishes a policy with the commands that deploy the page.
    fn publish_commands(&self) -> Result<(), CliError> {
        let sites = self.root.join("sites");
        let sites = sites
            .to_str()
            .ok_or_else(|| CliError::new(ErrorKind::Usage, "the folder's name must be UTF-8"))?;
        let quoted = toml::Value::from(sites).to_string();
        let (_, tables) = POLICY.split_once("[environments").unwrap_or_default();
        let added = format!("[environments{tables}").replace("\"/srv/sites\"", &quoted);
        self.write_file(
            "alice/deploy.toml",
            &format!(
                "{}\n{added}",
                self.build_policy()?.replace(COMPONENT_LINE, "")
            ),
        )?;
        self.write_file("alice/web/site.pl", SERVER_SCRIPT)?;
        self.print_command("alice", "tail -n 15 deploy.toml");
        let lines: Vec<&str> = added.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(15)..)
            .unwrap_or_default();
        self.print_indented(&tail.join("\n"));
        self.commit_page("<h1>web 2</h1>\n", "Serve the page")?;
        self.run_deploy("alice", &["policy", "publish", "--yes"])
    }

    fn commit_page(&self, page: &str, message: &str) -> Result<(), CliError> {
        self.write_file("alice/web/index.html", page)?;
        self.print_command(
            "alice",
            &format!("echo \"{}\" > web/index.html", page.trim_end()),
        );
        self.run_git("alice", &["add", "."])?;
        self.run_git("alice", &["commit", "--quiet", "-m", message])?;
        self.run_git("alice", &["push", "--quiet"])
    }

    fn fetch_page(&self) -> Result<(), CliError> {
        let arguments = ["web/site.pl", "get", "../sites/pr-1"];
        self.print_command("alice", &format!("perl {}", arguments.join(" ")));
        self.run_command(Path::new("perl"), "alice", &arguments, ExpectedEnd::Success)
    }
}

//! The second part of the tour: a deployment that git-deploy runs, one that fails and is rolled
//! back, and the end of an environment.
//!
//! It uses the sample in `testdata/site`, whose commands serve a page on the loopback interface.

use std::path::Path;

use super::{End, Tour};
use crate::cli::{Failure, Kind};

/// The sample's policy. The tour's policy gets all of it after the first paragraph.
const POLICY: &str = include_str!("../../../../testdata/site/deploy.toml");
/// The sample's web server.
const SITE: &str = include_str!("../../../../testdata/site/web/site.pl");
/// The line that declares the component in the policy of the first part.
const PLAIN: &str = "web = { paths = [\"web/**\"] }\n";

impl Tour<'_> {
    /// Runs the second part. Skips it if Perl is not installed.
    pub(super) fn second_act(&self) -> Result<(), Failure> {
        self.chapter(
            "Second act: git-deploy carries deployments out itself, here for a change request",
        );
        if self
            .carry_out(Path::new("perl"), ".", &["-e", "1"], End::Well)
            .is_err()
        {
            self.say("It needs perl, which is not here: nothing is shown of it.");
            return Ok(());
        }
        self.learn()?;
        self.deploy(
            "alice",
            &["run", "pr-1", "--ttl", "1h", "--change", "1", "--yes"],
        )?;
        self.page()?;
        self.chapter("A page that fails its verification: what ran before comes back by itself");
        self.commit("<h1>web 3\n", "Forget to close the heading")?;
        self.deploy_to("alice", &["run", "pr-1", "--yes"], End::Failed)?;
        self.page()?;
        self.deploy("alice", &["status", "pr-1"])?;
        self.chapter("The change request is closed");
        self.deploy("alice", &["destroy", "pr-1", "--yes"])?;
        self.deploy("alice", &["log", "pr-1"])
    }

    /// Publishes a policy with the commands that deploy the page.
    fn learn(&self) -> Result<(), Failure> {
        let sites = self.root.join("sites");
        let sites = sites
            .to_str()
            .ok_or_else(|| Failure::new(Kind::Usage, "the folder's name must be UTF-8"))?;
        let quoted = toml::Value::from(sites).to_string();
        let (_, added) = POLICY.split_once("[environments").unwrap_or_default();
        let added = format!("[environments{added}").replace("\"/srv/sites\"", &quoted);
        self.write(
            "alice/deploy.toml",
            &format!("{}\n{added}", self.policy()?.replace(PLAIN, "")),
        )?;
        self.write("alice/web/site.pl", SITE)?;
        self.show("alice", "tail -n 15 deploy.toml");
        let lines: Vec<&str> = added.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(15)..)
            .unwrap_or_default();
        self.say(&super::indented(&tail.join("\n")));
        self.commit("<h1>web 2</h1>\n", "Serve the page")?;
        self.deploy("alice", &["policy", "publish", "--yes"])
    }

    fn commit(&self, page: &str, message: &str) -> Result<(), Failure> {
        self.write("alice/web/index.html", page)?;
        self.show(
            "alice",
            &format!("echo \"{}\" > web/index.html", page.trim_end()),
        );
        self.git("alice", &["add", "."])?;
        self.git("alice", &["commit", "--quiet", "-m", message])?;
        self.git("alice", &["push", "--quiet"])
    }

    fn page(&self) -> Result<(), Failure> {
        let arguments = ["web/site.pl", "get", "../sites/pr-1"];
        self.show("alice", &format!("perl {}", arguments.join(" ")));
        self.carry_out(Path::new("perl"), "alice", &arguments, End::Well)
    }
}

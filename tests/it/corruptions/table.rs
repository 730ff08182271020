//! The repository that is corrupted, the rows of the table, and how reports are read.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Project, Repo, Run, World};

const POLICY: &str = "[environments]\ndev = {}\nlab = {}\nstage = { promote_from = \"dev\" }\nprod = { promote_from = \"stage\" }\n[checks]\ntest-result = { by = \"ci\" }\n";

/// Makes one corruption in a copy of the server.
type Corrupt = std::sync::Arc<dyn Fn(&Lab<'_>, &Repo<'_>) + Send + Sync>;

/// One corruption, and what each kind of clone flags: ledgers by their names, `notes`, or refs.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    pub server: &'static [&'static str],
    pub old: &'static [&'static str],
    pub fresh: &'static [&'static str],
    pub readme: &'static [&'static str],
    /// The ledgers that may be reported as dependent. `notes`: the notes name entries of the
    /// honest ledger, and so may be reported.
    pub dependents: &'static [&'static str],
    corrupt: Corrupt,
}

impl Row {
    /// Returns a row that all kinds of clones flag in the same way.
    pub fn new(
        name: impl Into<String>,
        flags: &'static [&'static str],
        corrupt: impl Fn(&Lab<'_>, &Repo<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            server: flags,
            old: flags,
            fresh: flags,
            readme: flags,
            dependents: &[],
            corrupt: std::sync::Arc::new(corrupt),
        }
    }

    /// Sets the ledgers that depend on the corrupted one.
    pub fn with_dependents(mut self, dependents: &'static [&'static str]) -> Self {
        self.dependents = dependents;
        self
    }

    /// Sets what an audit of the server flags.
    pub fn on_server(mut self, flags: &'static [&'static str]) -> Self {
        self.server = flags;
        self
    }

    /// Sets what a clone flags that had synced before.
    pub fn in_old(mut self, flags: &'static [&'static str]) -> Self {
        self.old = flags;
        self
    }

    /// Sets what a fresh clone flags.
    pub fn in_fresh(mut self, flags: &'static [&'static str]) -> Self {
        self.fresh = flags;
        self.readme = flags;
        self
    }
}

/// What a report flags.
#[derive(Debug, Default)]
pub struct Flags {
    /// The ledgers, refs and notes that are wrong by themselves.
    own: BTreeSet<String>,
    /// The ledgers that depend on others.
    dependents: BTreeSet<String>,
}

impl Flags {
    /// Returns the difference from what is expected, if there is one.
    pub fn differs_from(&self, own: &[&str], dependents: &[&str]) -> Option<String> {
        let mut expected: BTreeSet<String> = own.iter().map(|&it| it.to_owned()).collect();
        if dependents.contains(&"notes") && self.own.contains("notes") {
            expected.insert("notes".to_owned());
        }
        let unexpected = self
            .dependents
            .iter()
            .find(|it| !dependents.contains(&&***it) && !expected.contains(*it));
        (self.own != expected || unexpected.is_some())
            .then(|| format!("expected {expected:?}, found {self:?}"))
    }

    /// Adds the flags of a JSON report of an audit.
    fn add(&mut self, audit: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for ledger in audit["ledgers"].as_array().into_iter().flatten() {
            for finding in ledger["findings"].as_array().into_iter().flatten() {
                let set = if finding["kind"] == "dependency" {
                    &mut self.dependents
                } else {
                    &mut self.own
                };
                set.insert(text(&ledger["ledger"]));
            }
        }
        if !audit["notes"]["findings"]
            .as_array()
            .is_none_or(Vec::is_empty)
        {
            self.own.insert("notes".to_owned());
        }
        for finding in audit["findings"].as_array().into_iter().flatten() {
            let detail = text(&finding["detail"]);
            if let Some(ledger) = finding["ledger"].as_str() {
                let set = if detail.contains(" depends on ") {
                    &mut self.dependents
                } else {
                    &mut self.own
                };
                set.insert(ledger.to_owned());
            } else if detail.contains("the notes") {
                self.own.insert("notes".to_owned());
            } else {
                // The name of the ref, or of the file, comes first.
                let word = detail.split(' ').next().unwrap_or_default();
                let word = word.rsplit("/info/").next().unwrap_or_default();
                let object = word.starts_with("refs/replace/");
                let name = if object { "refs/replace" } else { word };
                self.own.insert(name.to_owned());
            }
        }
    }
}

/// An honest project on a host without hooks. The rows corrupt copies of it.
pub struct Lab<'w> {
    pub project: Project<'w>,
    world: &'w World,
}

impl<'w> Lab<'w> {
    pub fn new(world: &'w World) -> Self {
        let project = Project::new(world, POLICY);
        for hook in ["pre-receive", "proc-receive"] {
            std::fs::remove_file(project.server.path().join("hooks").join(hook)).unwrap();
        }
        for key in ["receive.procReceiveRefs", "receive.hideRefs"] {
            project.server.git(&["config", "--unset-all", key]).ok();
        }
        project.publish(&format!("{POLICY}\n[groups]\nadmins = [\"alice\"]\n"));
        let ci = &project.ci;
        ci.deploy(&["record", "dev", "--all"]).ok();
        ci.deploy(&["record", "lab", "--all"]).ok();
        ci.deploy(&["attest", "test-result", "--result", "passed"])
            .ok();
        project.push("api/x", "two\n");
        for environment in ["dev", "stage", "prod"] {
            ci.deploy(&["record", environment, "--all", "--verification", "passed"])
                .ok();
        }
        ci.deploy(&["attest", "test-result", "--result", "passed"])
            .ok();
        for environment in ["dev", "lab", "stage", "prod"] {
            ci.deploy(&["lock", environment, "-m", "incident"]).ok();
        }
        project.bob.deploy(&["sync"]).ok();
        // A row refers to objects that only some clones have.
        std::fs::create_dir(world.path().join("rows")).unwrap();
        Self { project, world }
    }

    /// Returns the id of a revision of the honest repository.
    pub fn rev(&self, revision: &str) -> String {
        self.project.server.rev(revision)
    }

    /// Moves a ref of a corrupted server to any object of the writer's clone.
    pub fn put(&self, server: &Repo<'_>, name: &str, id: &str) {
        let refspec = format!("{id}:{name}");
        self.project
            .ci
            .repo
            .git(&["push", "-q", "--force", &server.url(), &refspec])
            .ok();
    }

    /// Makes a copy of the server and corrupts it.
    pub fn corrupt(&self, row: &Row, number: usize) -> Repo<'w> {
        let folder = format!("rows/{number}.git");
        self.copy("server.git", &folder);
        let server = self.world.existing(&folder, "server");
        (row.corrupt)(self, &server);
        server
    }

    fn copy(&self, from: &str, to: &str) {
        self.world
            .existing(".", "server")
            .run("cp", &["-R", from, to])
            .ok();
    }

    /// Syncs and audits a copy of a clone that had synced before the corruption.
    pub fn sync_old_clone(&self, server: &Repo<'_>, number: usize) -> (Flags, String) {
        let folder = format!("rows/{number}-old");
        self.copy("bob", &folder);
        let clone = self.world.existing(&folder, "bob");
        clone
            .git(&["remote", "set-url", "origin", &server.url()])
            .ok();
        sync(&clone)
    }

    /// Syncs and audits a fresh clone.
    pub fn sync_fresh_clone(&self, server: &Repo<'_>, number: usize) -> (Flags, String) {
        let (clone, _) = self.clone(server, &format!("rows/{number}-fresh"), &[]);
        sync(&clone)
    }

    /// Syncs and audits a clone into whose own refs git fetched the ledgers and the notes.
    pub fn sync_readme_clone(&self, server: &Repo<'_>, number: usize) -> (Flags, String) {
        let refspecs = ["refs/deploy/*", "refs/notes/deploy*"]
            .map(|refs| format!("remote.origin.fetch=+{refs}:{refs}"));
        let refspecs = refspecs.each_ref().map(String::as_str);
        let (clone, cloned) = self.clone(server, &format!("rows/{number}-readme"), &refspecs);
        if !cloned.succeeded() {
            // Git itself refuses to fetch a ledger that it finds incomplete: there is no clone.
            let own = BTreeSet::from(["fetch".to_owned()]);
            let flags = Flags {
                own,
                ..Flags::default()
            };
            return (flags, cloned.to_string());
        }
        sync(&clone)
    }

    /// Clones with git. A repository with missing objects cannot be cloned: git says so.
    fn clone(&self, server: &Repo<'_>, folder: &str, settings: &[&str]) -> (Repo<'w>, Run<'w>) {
        let clone = self.world.existing(folder, "carol");
        std::fs::create_dir(clone.path()).unwrap();
        let settings: Vec<&str> = settings.iter().flat_map(|it| ["-c", it]).collect();
        let cloned = clone.git(&[&["clone", "-q"], &settings[..], &[&server.url(), "."]].concat());
        (clone, cloned)
    }
}

/// Syncs and audits a clone. A failed sync flags what its messages name.
fn sync(clone: &Repo<'_>) -> (Flags, String) {
    let synced = clone.deploy(&["sync"]);
    let (mut flags, audited) = audit(clone);
    let said = format!("{synced}{audited}");
    if synced.err().contains("cannot fetch from") {
        flags.own.insert("fetch".to_owned());
    }
    let policy = [
        "refs/deploy/policy of the remote is not",
        "the remote's ledger policy has",
    ];
    if policy
        .iter()
        .any(|words| synced.words_of_err().contains(words))
    {
        flags.own.insert("policy".to_owned());
    }
    // Whatever the audit of a clone finds in the remote, a sync says as well.
    let refs = !flags.dependents.is_empty() || flags.own.iter().any(|it| *it != "notes");
    if refs == synced.succeeded() {
        flags.own.insert("sync and audit differ".to_owned());
    }
    (flags, said)
}

/// Audits a repository.
pub fn audit(repo: &Repo<'_>) -> (Flags, String) {
    let run = repo.deploy(&["audit", "--json"]);
    let mut flags = Flags::default();
    // Without a policy there is an error instead of a report.
    let report = serde_json::from_str::<Value>(&run.text());
    if let Some(audit) = report
        .ok()
        .filter(|it| it["schema"] == "git-deploy/audit/v1")
    {
        flags.add(&audit);
        if (flags.own.is_empty() && flags.dependents.is_empty()) != run.succeeded() {
            flags.own.insert("exit code".to_owned());
        }
    } else if run.succeeded() {
        flags.own.insert("no report".to_owned());
    }
    (flags, run.to_string())
}

//! Checks the configuration from all files: the settings that the hooks need, and those that bypass
//! them.

use super::{CheckSubject, Inspector};
use crate::domain::id::PublicKey;
use crate::domain::name::LedgerName;
use crate::git::{self, Repository};
use crate::ledger::Project;
use crate::ledger::notes::NOTES_REF;
use crate::ledger::sync::PIN_SETTING;
use crate::server::settings::{ADMIN, RECOVERY, Settings};

const PROC_RECEIVE_REFS: &str = "receive.procReceiveRefs";
/// The first version of git that calls proc-receive.
const MIN_GIT_VERSION: (u32, u32) = (2, 29);

impl Inspector<'_> {
    /// Checks all settings. Returns whether git hands the updates of ledgers to proc-receive.
    pub(super) fn check_settings(&mut self) -> git::Result<bool> {
        let carried_out = self.check_proc_receive()?;
        self.check_owner_settings()?;
        self.check_hidden_refs()?;
        self.check_durability()?;
        self.check_bypasses()?;
        if self.is_good(CheckSubject::Settings) {
            self.add_good(
                CheckSubject::Settings,
                "those that server init makes are there",
            );
        }
        Ok(carried_out)
    }

    /// Checks the setting that hands ledgers to proc-receive, unless our hook `update` stands in
    /// for it.
    fn check_proc_receive(&mut self) -> git::Result<bool> {
        let values = self.repository.config_strings(PROC_RECEIVE_REFS)?;
        let update = self.find_hooks_folder()?.join("update");
        let by_update = std::fs::read(update)
            .is_ok_and(|text| super::hooks::find_shim_program(&text, "update").is_some());
        if !values.iter().any(|value| value == "refs/deploy") {
            if !by_update {
                let what = format!(
                    "{PROC_RECEIVE_REFS} is not refs/deploy: nothing judges a ledger where it moves"
                );
                self.add_problem(CheckSubject::Settings, what, self.install_command());
            }
            return Ok(!by_update);
        }
        if let Some(odd) = values.iter().find(|value| value.contains('!')) {
            let what = format!("{PROC_RECEIVE_REFS} has {odd} as well, which takes refs out again");
            let remedy = self.git_command(&format!(
                "config --fixed-value --unset-all {PROC_RECEIVE_REFS} '{odd}'"
            ));
            self.add_problem(CheckSubject::Settings, what, remedy);
        }
        match read_git_version(self.repository)? {
            Some(version) if version < MIN_GIT_VERSION => {
                let what = format!(
                    "git {}.{} is here, which calls no proc-receive",
                    version.0, version.1
                );
                self.add_problem(
                    CheckSubject::Settings,
                    what,
                    format!("git {}.{} or later", MIN_GIT_VERSION.0, MIN_GIT_VERSION.1),
                );
            }
            _ => {}
        }
        Ok(true)
    }

    /// Checks who may begin and recover the project, and that the existing project agrees.
    fn check_owner_settings(&mut self) -> git::Result<()> {
        let settings = match Settings::read(self.repository) {
            Ok(settings) => settings,
            Err(error) => {
                self.add_problem(
                    CheckSubject::Settings,
                    error.to_string(),
                    self.git_command("config --local --edit"),
                );
                return Ok(());
            }
        };
        if settings.admins.is_empty() {
            let what = format!("{ADMIN} names nobody: nothing is accepted under refs/deploy/");
            self.add_problem(
                CheckSubject::Settings,
                what,
                format!("{} --admin <public key>", self.install_command()),
            );
        }
        if let Some(key) = settings.recovery {
            let what = format!(
                "whoever has the key {key} may publish one policy in spite of the one in force"
            );
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command(&format!(
                    "config --unset-all {RECOVERY}, where nothing is lost"
                )),
            );
        }
        let Ok(Some(tip)) = self.repository.tip(&LedgerName::policy()) else {
            return Ok(());
        };
        let Ok(project) = Project::from_policy_tip(self.repository, tip) else {
            return Ok(());
        };
        let stranger = |key: &&PublicKey| !settings.admins.contains(key);
        if let Some(key) = project
            .root_keys
            .iter()
            .find(stranger)
            .filter(|_| !settings.admins.is_empty())
        {
            let what = format!(
                "the project that is here began with the key {key}, which {ADMIN} does not name"
            );
            self.add_problem(
                CheckSubject::Settings,
                what,
                format!(
                    "{} --admin {key}, if you trust that key",
                    self.install_command()
                ),
            );
        }
        let pin = self.repository.config_string(PIN_SETTING)?;
        if let Some(pin) = pin.filter(|pin| *pin != project.id.to_string()) {
            let what = format!(
                "{PIN_SETTING} is {pin}, and the project that is here is {}",
                project.id
            );
            self.add_problem(
                CheckSubject::Settings,
                what,
                self.git_command("deploy audit"),
            );
        }
        Ok(())
    }

    /// Checks that the notes are hidden from pushes and the ledgers are not.
    fn check_hidden_refs(&mut self) -> git::Result<()> {
        let mut hidden = self.repository.config_strings("receive.hideRefs")?;
        hidden.extend(self.repository.config_strings("transfer.hideRefs")?);
        if !hidden.iter().any(|value| value == NOTES_REF) {
            let what = format!(
                "receive.hideRefs is not {NOTES_REF}: the notes make every push of a ledger slower"
            );
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command(&format!("config --add receive.hideRefs {NOTES_REF}")),
            );
        }
        if let Some(value) = hidden
            .iter()
            .find(|value| matches!(value.as_str(), "refs" | "refs/deploy"))
        {
            let what = format!("{value} is hidden: nobody can push or fetch a ledger");
            self.add_problem(
                CheckSubject::Settings,
                what,
                self.git_command("config --get-regexp --show-origin hiderefs"),
            );
        }
        Ok(())
    }

    /// Checks that accepted pushes survive a crash, and that reflogs exist.
    fn check_durability(&mut self) -> git::Result<()> {
        let logged = self.repository.config_string("core.logAllRefUpdates")?;
        if logged.as_deref() != Some("always") {
            let what = "core.logAllRefUpdates is not always: no reflog tells what a ref was before";
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command("config core.logAllRefUpdates always"),
            );
        }
        let synced = self
            .repository
            .config_string("core.fsync")?
            .unwrap_or_default();
        let parts: Vec<&str> = synced.split(',').map(str::trim).collect();
        let has = |names: &[&str]| names.iter().any(|name| parts.contains(name));
        let whole = has(&["all"]) || has(&["reference"]) && has(&["committed", "added", "objects"]);
        if !whole
            || has(&[
                "none",
                "-reference",
                "-objects",
                "-committed",
                "-loose-object",
                "-pack",
            ])
        {
            let what = "core.fsync leaves out objects or refs: what was accepted can be lost in a power cut";
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command("config core.fsync committed,reference"),
            );
        }
        if self
            .repository
            .config_string("core.fsyncMethod")?
            .as_deref()
            == Some("writeout-only")
        {
            let what =
                "core.fsyncMethod is writeout-only: what was accepted can be lost in a power cut";
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command("config core.fsyncMethod fsync"),
            );
        }
        Ok(())
    }

    /// Checks settings that bypass the hooks or make them slow.
    fn check_bypasses(&mut self) -> git::Result<()> {
        if self.repository.config_bool("core.commitGraph")? == Some(false) {
            let what = "core.commitGraph is off: each push reads the history commit by commit";
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command("config core.commitGraph true"),
            );
        }
        if self.repository.config_bool("receive.shallowUpdate")? == Some(true) {
            let what =
                "receive.shallowUpdate is on: a push can leave the repository without its history";
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command("config receive.shallowUpdate false"),
            );
        }
        for (remote, refspec) in self.list_ledger_fetches()? {
            let what = format!(
                "git fetch {remote} here would overwrite ledgers, past all hooks: {refspec}"
            );
            self.add_advice(
                CheckSubject::Settings,
                what,
                self.git_command(&format!("remote remove {remote}")),
            );
        }
        Ok(())
    }

    /// Returns the remotes, such as those of a mirror, whose fetch writes into `refs/deploy/`.
    fn list_ledger_fetches(&self) -> git::Result<Vec<(String, String)>> {
        let output = self
            .repository
            .git("config")
            .args(["--null", "--get-regexp", r"^remote\..*\.fetch$"])
            .run()?;
        // 1 means that there is none.
        let listed = if output.code == Some(1) {
            Vec::new()
        } else {
            output.into_stdout()?
        };
        let mut found = Vec::new();
        for item in listed.split(|byte| *byte == 0) {
            let text = String::from_utf8_lossy(item);
            let Some((key, refspec)) = text.split_once('\n') else {
                continue;
            };
            let to = refspec.split_once(':').map_or("", |(_, to)| to);
            let covers = to
                .strip_suffix('*')
                .is_some_and(|prefix| "refs/deploy/".starts_with(prefix))
                || to.starts_with("refs/deploy/");
            let remote = key
                .strip_prefix("remote.")
                .and_then(|key| key.strip_suffix(".fetch"));
            found.extend(
                remote
                    .filter(|_| covers)
                    .map(|remote| (remote.to_owned(), refspec.to_owned())),
            );
        }
        Ok(found)
    }
}

/// Returns the first two numbers of git's version.
fn read_git_version(repository: &Repository) -> git::Result<Option<(u32, u32)>> {
    let text = repository.git("version").run()?.into_stdout()?;
    let text = String::from_utf8_lossy(&text);
    let mut numbers = text
        .split_whitespace()
        .nth(2)
        .unwrap_or_default()
        .split('.')
        .map(str::parse::<u32>);
    Ok(match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    })
}

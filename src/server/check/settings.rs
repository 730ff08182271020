//! Checks the configuration from all files: the settings that the hooks need, and those that bypass
//! them.

use super::{CheckSubject, Inspector};
use crate::domain::id::PublicKey;
use crate::domain::name::LedgerName;
use crate::git::{self, Repository};
use crate::ledger::Project;
use crate::server::branch_handover;
use crate::server::location::find_hooks_folder;
use crate::server::required_settings::{
    ADMINS, HIDE_REFS, PROC_RECEIVE_BRANCHES, PROC_RECEIVE_REFS, RECOVERY_KEY, REMOTE_FETCH, ROOT,
    RequiredSetting, SETTINGS, WantedValue,
};
use crate::server::settings::Settings;
use crate::server::shell::quote_word;
use crate::server::shim::find_shim_program;

/// The first version of git that calls proc-receive.
const MIN_GIT_VERSION: (u32, u32) = (2, 29);

impl Inspector<'_> {
    /// Checks all settings. Returns whether git hands the updates of ledgers to proc-receive.
    pub(super) fn check_settings(&mut self) -> git::Result<bool> {
        let uses_proc_receive = self.check_proc_receive()?;
        self.check_owner_settings()?;
        for setting in &SETTINGS {
            // Checked above, together with the hook that may replace it.
            if setting.key != PROC_RECEIVE_REFS.key && !self.has_wanted_value(setting)? {
                self.add_setting(setting, setting.describe_problem());
            }
        }
        self.check_hidden_ledgers()?;
        self.check_remotes()?;
        if self.is_good(CheckSubject::Settings) {
            self.add_good(
                CheckSubject::Settings,
                "all settings of server init are in place",
            );
        }
        Ok(uses_proc_receive)
    }

    /// Checks the setting that hands ledgers to proc-receive, unless our hook `update` replaces it.
    /// Returns whether the server should use proc-receive.
    fn check_proc_receive(&mut self) -> git::Result<bool> {
        let key = PROC_RECEIVE_REFS.key;
        let values = self.repository.config_strings(key)?;
        let update = find_hooks_folder(self.repository)?.join("update");
        let has_update_shim =
            std::fs::read(update).is_ok_and(|text| find_shim_program(&text, "update").is_some());
        if !self.has_wanted_value(&PROC_RECEIVE_REFS)? {
            if !has_update_shim {
                self.add_finding(
                    CheckSubject::Settings,
                    PROC_RECEIVE_REFS.level,
                    PROC_RECEIVE_REFS.describe_problem(),
                    self.install_command(),
                );
            }
            return Ok(!has_update_shim);
        }
        let is_exclusion = |value: &&String| {
            // Flags come before a colon, which no ref's name has.
            let flags = value.split_once(':').map_or("", |(flags, _)| flags);
            flags.contains('!')
        };
        if let Some(exclusion) = values.iter().find(is_exclusion) {
            let message = format!("{key} also has {exclusion}, which excludes refs");
            let remedy = self.git_command(&format!(
                "config --fixed-value --unset-all {key} '{exclusion}'"
            ));
            self.add_problem(CheckSubject::Settings, message, remedy);
        }
        match read_git_version(self.repository)? {
            Some(version) if version < MIN_GIT_VERSION => {
                let message = format!(
                    "git {}.{} does not support the hook proc-receive",
                    version.0, version.1
                );
                self.add_problem(
                    CheckSubject::Settings,
                    message,
                    format!("git {}.{} or later", MIN_GIT_VERSION.0, MIN_GIT_VERSION.1),
                );
            }
            _ => {}
        }
        self.check_branches()?;
        Ok(true)
    }

    /// Checks that git hands each branch that the hooks judge to proc-receive.
    fn check_branches(&mut self) -> git::Result<()> {
        let RequiredSetting {
            key,
            level,
            otherwise,
            ..
        } = PROC_RECEIVE_BRANCHES;
        let values = self.repository.config_strings(key)?;
        // Other subjects report a project or a policy that cannot be read.
        let Ok(policy) = branch_handover::read_policy(self.repository) else {
            return Ok(());
        };
        for name in branch_handover::list_handover_branches(self.repository, policy.as_deref())? {
            if values.contains(&name) {
                continue;
            }
            self.add_finding(
                CheckSubject::Settings,
                level,
                format!("{key} is missing {name}: {otherwise}"),
                self.git_command(&format!("config --add {key} {}", quote_word(&name))),
            );
        }
        Ok(())
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
            self.add_finding(
                CheckSubject::Settings,
                ADMINS.level,
                ADMINS.describe_problem(),
                format!("{} --admin <public key>", self.install_command()),
            );
        }
        if let Some(key) = settings.recovery {
            let remedy = format!("config --unset-all {}", RECOVERY_KEY.key);
            self.add_finding(
                CheckSubject::Settings,
                RECOVERY_KEY.level,
                format!(
                    "the owner of the key {key} {}: remove it unless the project is being recovered",
                    RECOVERY_KEY.otherwise
                ),
                self.git_command(&remedy),
            );
        }
        self.check_project(&settings)
    }

    /// Checks that the existing project, if any, matches the owner's settings.
    fn check_project(&mut self, settings: &Settings) -> git::Result<()> {
        let Ok(Some(tip)) = self.repository.tip(&LedgerName::policy()) else {
            return Ok(());
        };
        let Ok(project) = Project::from_policy_tip(self.repository, tip) else {
            return Ok(());
        };
        let is_unknown = |key: &&PublicKey| !settings.admins.contains(key);
        if let Some(key) = project
            .root_keys
            .iter()
            .find(is_unknown)
            .filter(|_| !settings.admins.is_empty())
        {
            self.add_finding(
                CheckSubject::Settings,
                ADMINS.level,
                format!(
                    "the project in this repository began with the key {key}, which is not in {}: add it only if you trust it",
                    ADMINS.key
                ),
                format!("{} --admin {key}", self.install_command()),
            );
        }
        let root = self.repository.config_string(ROOT.key)?;
        if let Some(root) = root.filter(|root| *root != project.id.to_string()) {
            let RequiredSetting { key, otherwise, .. } = ROOT;
            self.add_finding(
                CheckSubject::Settings,
                ROOT.level,
                format!("{key} is {root}, {otherwise} {}", project.id),
                self.git_command("deploy audit"),
            );
        }
        Ok(())
    }

    /// Returns whether a setting has its wanted value. A setting whose value depends on the server
    /// is checked elsewhere.
    fn has_wanted_value(&self, setting: &RequiredSetting) -> git::Result<bool> {
        let key = setting.key;
        Ok(match setting.wanted {
            WantedValue::Contains(value) => {
                let mut values = self.repository.config_strings(key)?;
                if key == HIDE_REFS.key {
                    values.extend(self.repository.config_strings("transfer.hideRefs")?);
                }
                values.iter().any(|other| other == value)
            }
            WantedValue::Equals(value) => {
                self.repository.config_string(key)?.as_deref() == Some(value)
            }
            WantedValue::Covers(_) => {
                syncs_objects_and_refs(&self.repository.config_string(key)?.unwrap_or_default())
            }
            WantedValue::Not { bad, .. } => {
                self.repository.config_string(key)?.as_deref() != Some(bad)
            }
            WantedValue::BoolOrUnset(value) => self
                .repository
                .config_bool(key)?
                .is_none_or(|own| own == value),
            WantedValue::EnforcedBranches | WantedValue::Described(_) => true,
        })
    }

    /// Adds a finding about a setting, with the command that sets it.
    fn add_setting(&mut self, setting: &RequiredSetting, message: String) {
        let arguments = setting.config_arguments().unwrap_or_default();
        self.add_finding(
            CheckSubject::Settings,
            setting.level,
            message,
            self.git_command(&format!("config {arguments}")),
        );
    }

    /// Checks that the ledgers are not hidden.
    fn check_hidden_ledgers(&mut self) -> git::Result<()> {
        let mut hidden = self.repository.config_strings(HIDE_REFS.key)?;
        hidden.extend(self.repository.config_strings("transfer.hideRefs")?);
        if let Some(value) = hidden
            .iter()
            .find(|value| matches!(value.as_str(), "refs" | "refs/deploy"))
        {
            let message = format!("{value} is hidden: ledgers cannot be pushed or fetched");
            self.add_problem(
                CheckSubject::Settings,
                message,
                self.git_command("config --get-regexp --show-origin hiderefs"),
            );
        }
        Ok(())
    }

    /// Checks that no `git fetch` on the server overwrites ledgers.
    fn check_remotes(&mut self) -> git::Result<()> {
        for (remote, refspec) in self.list_ledger_fetches()? {
            let otherwise = REMOTE_FETCH.otherwise;
            self.add_finding(
                CheckSubject::Settings,
                REMOTE_FETCH.level,
                format!("git fetch {remote} here {otherwise}: {refspec}"),
                self.git_command(&format!("remote remove {remote}")),
            );
        }
        Ok(())
    }

    /// Returns each remote whose fetch writes into `refs/deploy/`, as that of a mirror does, with
    /// the refspec.
    fn list_ledger_fetches(&self) -> git::Result<Vec<(String, String)>> {
        let output = self
            .repository
            .git("config")
            .args(["--null", "--get-regexp", r"^remote\..*\.fetch$"])
            .run()?;
        // 1 means that there is none.
        let lines = if output.code == Some(1) {
            Vec::new()
        } else {
            output.into_stdout()?
        };
        let mut fetches = Vec::new();
        for item in lines.split(|byte| *byte == 0) {
            let text = String::from_utf8_lossy(item);
            let Some((key, refspec)) = text.split_once('\n') else {
                continue;
            };
            let target = refspec.split_once(':').map_or("", |(_, target)| target);
            let covers = target
                .strip_suffix('*')
                .is_some_and(|prefix| "refs/deploy/".starts_with(prefix))
                || target.starts_with("refs/deploy/");
            let remote = key
                .strip_prefix("remote.")
                .and_then(|key| key.strip_suffix(".fetch"));
            fetches.extend(
                remote
                    .filter(|_| covers)
                    .map(|remote| (remote.to_owned(), refspec.to_owned())),
            );
        }
        Ok(fetches)
    }
}

/// Returns whether a value of `core.fsync` covers all objects and refs.
fn syncs_objects_and_refs(value: &str) -> bool {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let has = |names: &[&str]| names.iter().any(|name| parts.contains(name));
    let covers = has(&["all"]) || has(&["reference"]) && has(&["committed", "added", "objects"]);
    let excludes = has(&[
        "none",
        "-reference",
        "-objects",
        "-committed",
        "-loose-object",
        "-pack",
    ]);
    covers && !excludes
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

//! Changes the settings of a server where necessary, and records each step.

use std::collections::BTreeSet;

use super::install_error::{InstallError, InstallStep};
use super::required_settings::{PROC_RECEIVE_REFS, RequiredSetting, WantedValue};
use super::{branch_handover, lock};
use crate::git::Repository;

/// Installs into one repository and collects the steps.
pub(super) struct Installer<'a> {
    pub repository: &'a Repository,
    pub steps: Vec<InstallStep>,
}

impl Installer<'_> {
    /// Adds a step about a hook or setting that was changed.
    pub(super) fn add_changed(&mut self, message: impl Into<String>) {
        self.add_step(message, true);
    }

    /// Adds a step about a hook or setting that needed no change.
    pub(super) fn add_unchanged(&mut self, message: impl Into<String>) {
        self.add_step(message, false);
    }

    /// Adds a step.
    fn add_step(&mut self, message: impl Into<String>, was_changed: bool) {
        self.steps.push(InstallStep {
            message: message.into(),
            was_changed,
        });
    }

    /// Returns the values of a setting in the repository's own configuration.
    pub(super) fn read_local(&self, key: &str) -> Result<Vec<String>, InstallError> {
        Ok(self.repository.read_local_config(key)?)
    }

    /// Adds a value to a setting with several values, unless it is already there.
    pub(super) fn add_value(&mut self, key: &str, value: &str) -> Result<(), InstallError> {
        let is_missing = !self.read_local(key)?.iter().any(|other| other == value);
        if is_missing {
            self.repository.add_config(key, value)?;
        }
        self.add_step(format!("{key} = {value}"), is_missing);
        Ok(())
    }

    /// Sets a setting to one value.
    pub(super) fn set_value(&mut self, key: &str, value: &str) -> Result<(), InstallError> {
        let differs = self.read_local(key)? != [value];
        if differs {
            self.repository.set_config(key, value)?;
        }
        self.add_step(format!("{key} = {value}"), differs);
        Ok(())
    }

    /// Gives a setting the value that every server needs. Does nothing for a setting whose default
    /// is right, or whose value depends on the server.
    pub(super) fn apply_setting(&mut self, setting: &RequiredSetting) -> Result<(), InstallError> {
        let key = setting.key;
        match setting.wanted {
            WantedValue::Contains(value) => self.add_value(key, value),
            WantedValue::Equals(value) => self.set_value(key, value),
            WantedValue::Covers(value) => self.set_value_if_unset(key, value),
            WantedValue::EnforcedBranches => self.hand_over_branches(),
            WantedValue::Not { .. } | WantedValue::BoolOrUnset(_) | WantedValue::Described(_) => {
                Ok(())
            }
        }
    }

    /// Removes the value that [`Self::apply_setting`] adds to a setting with several values.
    pub(super) fn remove_setting(&mut self, setting: &RequiredSetting) -> Result<(), InstallError> {
        let (key, WantedValue::Contains(value)) = (setting.key, setting.wanted) else {
            return Ok(());
        };
        if self.read_local(key)?.iter().any(|other| other == value) {
            self.repository.remove_config(key, value)?;
            self.add_changed(format!("{key} = {value} removed"));
        }
        Ok(())
    }

    /// Hands the branches of the policy in force over to proc-receive, and no others.
    fn hand_over_branches(&mut self) -> Result<(), InstallError> {
        // No policy may come into force between reading the policy and writing the setting.
        let _lock = lock::take(self.repository).map_err(InstallError::Lock)?;
        let policy = branch_handover::read_policy(self.repository)?;
        let branches = branch_handover::list_handover_branches(self.repository, policy.as_deref())?;
        self.apply_handover(&branches)
    }

    /// Stops handing branches over to proc-receive.
    pub(super) fn take_branches_back(&mut self) -> Result<(), InstallError> {
        self.apply_handover(&BTreeSet::new())
    }

    fn apply_handover(&mut self, branches: &BTreeSet<String>) -> Result<(), InstallError> {
        let key = PROC_RECEIVE_REFS.key;
        let changes = branch_handover::write_handover_setting(self.repository, branches)?;
        for name in branches {
            self.add_step(format!("{key} = {name}"), changes.added.contains(name));
        }
        for name in changes.removed {
            self.add_changed(format!("{key} = {name} removed"));
        }
        Ok(())
    }

    /// Sets a setting, unless the owner has chosen another value.
    pub(super) fn set_value_if_unset(
        &mut self,
        key: &str,
        value: &str,
    ) -> Result<(), InstallError> {
        match self.repository.config_string(key)? {
            Some(own) if own != value => self.add_unchanged(format!("{key} = {own}, kept")),
            _ => self.set_value(key, value)?,
        }
        Ok(())
    }
}

//! Changes the settings of a server where necessary, and records each step.

use super::install_error::{InstallError, InstallStep};
use super::required_settings::{RequiredSetting, WantedValue};
use crate::git::Repository;

/// Installs into one repository and collects the steps.
pub(super) struct Installer<'a> {
    pub repository: &'a Repository,
    pub steps: Vec<InstallStep>,
}

impl Installer<'_> {
    /// Adds a step: the hook or setting in `message`, and whether it had to be changed.
    pub(super) fn add_step(&mut self, changed: bool, message: impl Into<String>) {
        self.steps.push(InstallStep {
            message: message.into(),
            was_changed: changed,
        });
    }

    /// Returns the values of a setting in the repository's own configuration.
    pub(super) fn read_local(&self, key: &str) -> Result<Vec<String>, InstallError> {
        let output = self
            .repository
            .git("config")
            .args(["--local", "--null", "--get-all", key])
            .run()?;
        // `git config` exits with 1 if the key is not set.
        let values = if output.code == Some(1) {
            Vec::new()
        } else {
            output.into_stdout()?
        };
        let values = values
            .split(|byte| *byte == 0)
            .filter(|value| !value.is_empty());
        Ok(values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect())
    }

    /// Adds a value to a setting with several values, unless it is already there.
    pub(super) fn add_value(&mut self, key: &str, value: &str) -> Result<(), InstallError> {
        let is_missing = !self.read_local(key)?.iter().any(|other| other == value);
        if is_missing {
            self.repository.add_config(key, value)?;
        }
        self.add_step(is_missing, format!("{key} = {value}"));
        Ok(())
    }

    /// Sets a setting to one value.
    pub(super) fn set_value(&mut self, key: &str, value: &str) -> Result<(), InstallError> {
        let differs = self.read_local(key)? != [value];
        if differs {
            self.repository.set_config(key, value)?;
        }
        self.add_step(differs, format!("{key} = {value}"));
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
            self.repository
                .git("config")
                .args(["--local", "--fixed-value", "--unset-all", key, value])
                .run()?
                .into_stdout()?;
            self.add_step(true, format!("{key} = {value} removed"));
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
            Some(own) if own != value => self.add_step(false, format!("{key} = {own}, kept")),
            _ => self.set_value(key, value)?,
        }
        Ok(())
    }
}

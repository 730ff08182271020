//! Changes the settings of a server and reports each change. Leaves alone what is as it should be.

use super::install_error::{InstallError, InstallStep};
use super::required_settings::{RequiredSetting, WantedValue};
use crate::git::Repository;

/// Installs into one repository and collects the results.
pub(super) struct Installer<'a> {
    pub repository: &'a Repository,
    pub steps: Vec<InstallStep>,
}

impl Installer<'_> {
    /// Adds a result.
    pub(super) fn add_step(&mut self, changed: bool, what: impl Into<String>) {
        self.steps.push(InstallStep {
            message: what.into(),
            changed,
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

    /// Adds a value to a setting, unless it has it.
    pub(super) fn add_value(&mut self, key: &str, value: &str) -> Result<(), InstallError> {
        let missing = !self.read_local(key)?.iter().any(|one| one == value);
        if missing {
            self.repository.add_config(key, value)?;
        }
        self.add_step(missing, format!("{key} = {value}"));
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

    /// Gives a setting the value that every server needs. Leaves it alone if it is right by default
    /// or depends on the server.
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

    /// Removes the wanted value from a setting with several values, if it has it.
    pub(super) fn remove_setting(&mut self, setting: &RequiredSetting) -> Result<(), InstallError> {
        let (key, WantedValue::Contains(value)) = (setting.key, setting.wanted) else {
            return Ok(());
        };
        if self.read_local(key)?.iter().any(|one| one == value) {
            self.repository
                .git("config")
                .args(["--local", "--fixed-value", "--unset-all", key, value])
                .run()?
                .into_stdout()?;
            self.add_step(true, format!("{key} = {value} is gone"));
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
            Some(own) if own != value => self.add_step(false, format!("{key} = {own}, as it was")),
            _ => self.set_value(key, value)?,
        }
        Ok(())
    }
}

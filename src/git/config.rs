//! Reads and changes git's configuration.
//!
//! An opened repository keeps the values that it read when it was opened.

use gix::bstr::ByteSlice as _;

use super::error::{Error, Result};
use super::repo::Repository;

impl Repository {
    /// Checks whether a setting has any value.
    pub fn has_config(&self, key: &str) -> bool {
        self.gix.config_snapshot().string(key).is_some()
    }

    /// Returns a setting's value, the last one that applies. A value that is not UTF-8 is an error.
    pub fn config_string(&self, key: &str) -> Result<Option<String>> {
        let Some(value) = self.gix.config_snapshot().string(key) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .map_err(|_| Error::corrupt(format!("the git setting {key}"), "not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    /// Returns all values of a multi-valued setting, in order.
    pub fn config_strings(&self, key: &str) -> Result<Vec<String>> {
        let values = self
            .gix
            .config_snapshot()
            .plumbing()
            .strings(key)
            .unwrap_or_default();
        let text = |value: &gix::bstr::BString| value.to_str().map(str::to_owned);
        values
            .iter()
            .map(text)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| Error::corrupt(format!("the git setting {key}"), "not UTF-8"))
    }

    /// Returns a boolean setting. A value that git would not accept as a boolean is an error.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>> {
        self.gix
            .config_snapshot()
            .try_boolean(key)
            .map_err(Error::library(format!("reading the git setting {key}")))
    }

    /// Reads all values of a setting from the repository's own configuration file, as it is now.
    pub fn read_local_config(&self, key: &str) -> Result<Vec<String>> {
        let output = self
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

    /// Removes one value of a multi-valued setting from the repository's own configuration.
    pub fn remove_config(&self, key: &str, value: &str) -> Result<()> {
        self.run_config(&["--fixed-value", "--unset-all", key, value])
    }

    /// Sets a value in the repository's own configuration and replaces all its previous values.
    /// This object keeps the values it read when opened.
    pub fn set_config(&self, key: &str, value: &str) -> Result<()> {
        self.change_config("--replace-all", key, value)
    }

    /// Adds a value to a multi-valued setting.
    pub fn add_config(&self, key: &str, value: &str) -> Result<()> {
        self.change_config("--add", key, value)
    }

    /// Runs `git config` with `option` (`--add` or `--replace-all`) to change a setting.
    fn change_config(&self, option: &str, key: &str, value: &str) -> Result<()> {
        self.run_config(&[option, "--end-of-options", key, value])
    }

    /// Runs `git config` with arguments that change the repository's own configuration.
    ///
    /// # Errors
    /// [`Error::Locked`] if a lock file is in the way.
    fn run_config(&self, arguments: &[&str]) -> Result<()> {
        let output = self.git("config").arg("--local").args(arguments).run()?;
        let lock = self.common_dir().join("config.lock");
        // A git process that was killed leaves its lock behind.
        if !output.is_success() && lock.exists() {
            return Err(Error::Locked(lock));
        }
        output.into_stdout().map(drop)
    }
}

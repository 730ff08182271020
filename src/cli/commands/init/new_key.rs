//! The key that `init` creates for a user who has none.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use super::args::Args;
use crate::cli::key_lookup::{self, KeySource, require_default_key_path};
use crate::cli::{CliError, Ui};
use crate::git::Repository;
use crate::signing::key::public_key_path;

/// A key that was just created, or none.
pub(super) struct NewKey {
    file: Option<PathBuf>,
    /// Whether a server may know the key, or is to be told about it.
    is_used: Cell<bool>,
}

impl NewKey {
    /// Creates a key if there is none yet.
    pub(super) fn create_if_missing(
        args: &Args,
        ui: &Ui,
        repository: &Repository,
    ) -> Result<Self, CliError> {
        let mut file = None;
        if key_lookup::find_source(Some(repository))? == KeySource::Missing {
            let path = require_default_key_path()
                .map_err(|error| error.hint("git config deploy.key FILE"))?;
            let key = key_lookup::create_key_file(&path, args.no_password)?;
            ui.print(format_args!(
                "Created the key {}. Its public key:\n  {key}",
                path.display()
            ));
            file = Some(path);
        }
        Ok(Self {
            file,
            is_used: Cell::new(false),
        })
    }

    /// Returns whether a key was created.
    pub(super) fn is_created(&self) -> bool {
        self.file.is_some()
    }

    /// Keeps the key, whatever happens next: from now on, a policy may list it.
    pub(super) fn keep(&self) {
        self.is_used.set(true);
    }

    /// Removes the key after a failure, unless it is to be kept.
    pub(super) fn remove_if_unused(&self, ui: &Ui) {
        let Some(file) = self.file.as_ref().filter(|_| !self.is_used.get()) else {
            return;
        };
        // A file that cannot be removed stays, and the next `init` uses it.
        let removed = fs::remove_file(file).and_then(|()| fs::remove_file(public_key_path(file)));
        if removed.is_ok() {
            // Removes the folder only if it is empty.
            let _ = file.parent().map(fs::remove_dir);
            ui.eprint_sentence(format_args!(
                "The key {} was removed again.",
                file.display()
            ));
        }
    }
}

//! Checks the refs: none is symbolic, each under `refs/deploy/` is a ledger, and none changes the
//! history that git shows.

use std::path::{Path, PathBuf};

use super::{CheckSubject, Inspector};
use crate::domain::count::{choose, count};
use crate::git;
use crate::git::object::ObjectKind;
use crate::ledger::PREFIX;
use crate::server::shell::quote_path;

/// The most refs that are reported one by one.
const MAX_REPORTED: usize = 5;

impl Inspector<'_> {
    /// Checks the refs.
    pub(super) fn check_refs(&mut self) -> git::Result<()> {
        self.check_symbolic_refs();
        if self.is_good(CheckSubject::Refs) {
            self.check_broken_refs()?;
        }
        if self.is_good(CheckSubject::Refs) {
            self.check_junk_refs();
        }
        if self.is_good(CheckSubject::Refs) {
            self.check_verified_refs();
        }
        self.check_replaced_refs()?;
        self.check_shadowing_refs()?;
        self.check_history_files();
        if self.is_good(CheckSubject::Refs) {
            self.add_good(
                CheckSubject::Refs,
                "each ref under refs/deploy/ is a ledger, and none is symbolic or replaced",
            );
        }
        Ok(())
    }

    /// Reports ledgers whose refs were not moved by git-deploy and do not verify.
    fn check_verified_refs(&mut self) {
        let remedy = format!(
            "git-deploy -C {} status",
            quote_path(self.repository.git_dir())
        );
        let messages = match self.repository.local_ledgers() {
            Ok(ledgers) => ledgers
                .problems
                .iter()
                .map(|problem| {
                    let ledger = &problem.ledger;
                    format!("refs/deploy/{ledger} was not moved by git-deploy, and is not verified: pushes that need it are refused")
                })
                .collect(),
            Err(error) => vec![error.to_string()],
        };
        for message in messages {
            self.add_problem(CheckSubject::Refs, message, remedy.clone());
        }
    }

    /// Reports refs whose files are malformed, or whose objects are missing. Because of any of them,
    /// git refuses pushes.
    fn check_broken_refs(&mut self) -> git::Result<()> {
        let refs = self.repository.list_all_refs("refs/")?;
        let broken = refs.into_iter().filter_map(|listed| {
            let error = match listed.target {
                Ok(id) => return self.repository.require_target(&listed.name, id).err(),
                Err(error) => error,
            };
            // A symbolic ref is usable in git.
            let found = self.repository.symref_target(listed.name.as_bytes());
            matches!(found, Err(git::Error::BrokenRef { .. })).then_some(error)
        });
        let misnamed = self.repository.find_misnamed_refs();
        let broken: Vec<git::Error> = broken.chain(misnamed).take(MAX_REPORTED).collect();
        for error in broken {
            let removal = error.removal().unwrap_or_default();
            let remedy = match removal.strip_prefix("git ") {
                Some(command) => self.git_command(command),
                None => removal,
            };
            let error = crate::domain::text::sanitize(&error.to_string());
            let message = format!("{error}, so git refuses pushes");
            self.add_problem(CheckSubject::Refs, message, remedy);
        }
        Ok(())
    }

    /// Reports refs below `refs/deploy/` that are no ledgers: those with another name, and those
    /// that lead to something other than a commit.
    fn check_junk_refs(&mut self) {
        let refs = match self.repository.ledger_refs_below(PREFIX) {
            Ok(refs) => refs,
            Err(error) => {
                let remedy = self.git_command("for-each-ref refs/deploy/");
                self.add_problem(CheckSubject::Refs, error.to_string(), remedy);
                return;
            }
        };
        for junk in refs.junk.iter().take(MAX_REPORTED) {
            let remedy = match junk.word() {
                Some(name) => self.git_command(&format!("update-ref -d {name}")),
                None => self.git_command("for-each-ref refs/deploy/"),
            };
            // A broken ref is reported as such.
            if junk.is_broken() {
                continue;
            }
            self.add_problem(CheckSubject::Refs, junk.describe(), remedy);
        }
        for (ledger, tip) in &refs.tips {
            let message = match self.repository.object_kind(tip.0) {
                // A ref whose object is missing is reported as broken.
                Ok(Some(ObjectKind::Commit) | None) => continue,
                Ok(Some(kind)) => format!("leads to a {}, not to a commit", kind.name()),
                Err(error) => format!("cannot be read: {error}"),
            };
            let name = ledger.ref_name();
            let remedy = self.git_command(&format!("update-ref -d {name}"));
            self.add_problem(CheckSubject::Refs, format!("{name} {message}"), remedy);
        }
    }

    /// Reports refs that replace objects.
    fn check_replaced_refs(&mut self) -> git::Result<()> {
        let replaced = self.list_refs("refs/replace/")?;
        if !replaced.is_empty() {
            let number = replaced.len();
            let message = format!(
                "{} {} the history that plain git shows",
                count(number, "replace ref"),
                choose(number, "changes", "change")
            );
            self.add_problem(
                CheckSubject::Refs,
                message,
                format!(
                    "{} | xargs -r {}",
                    self.git_command("replace -l"),
                    self.git_command("replace -d")
                ),
            );
        }
        Ok(())
    }

    /// Reports branches and tags that git could resolve instead of a ledger's short name.
    fn check_shadowing_refs(&mut self) -> git::Result<()> {
        for shadow in ["refs/heads/deploy", "refs/tags/deploy"] {
            for name in self.list_refs(shadow)?.iter().take(MAX_REPORTED) {
                let message =
                    format!("{name} can be mistaken for a ledger: keep it under another name");
                self.add_advice(
                    CheckSubject::Refs,
                    message,
                    self.git_command(&format!("update-ref -d {name}")),
                );
            }
        }
        Ok(())
    }

    /// Reports files that change or cut off history.
    fn check_history_files(&mut self) {
        let folder = self.repository.common_dir().to_owned();
        for (file, effect) in [
            (
                "info/grafts",
                "grafts change the history that plain git shows",
            ),
            (
                "shallow",
                "the history is cut off, so most pushes cannot be judged",
            ),
        ] {
            let path = folder.join(file);
            if std::fs::read(&path).is_ok_and(|bytes| !bytes.trim_ascii().is_empty()) {
                let remedy = if file == "shallow" {
                    self.git_command("fetch --unshallow")
                } else {
                    format!("rm {}", quote_path(&path))
                };
                self.add_problem(
                    CheckSubject::Refs,
                    format!("{}: {effect}", path.display()),
                    remedy,
                );
            }
        }
    }

    /// Lists the refs below a prefix, or the ref of that name.
    fn list_refs(&self, prefix: &str) -> git::Result<Vec<String>> {
        let output = self
            .repository
            .git("for-each-ref")
            .args(["--format=%(refname)", "--", prefix])
            .run()?
            .into_stdout()?;
        let names = output
            .split(|byte| *byte == b'\n')
            .filter(|name| !name.is_empty());
        Ok(names
            .map(|name| crate::domain::text::sanitize(&String::from_utf8_lossy(name)))
            .collect())
    }

    /// Reports symbolic refs. Reads the files, because git does not list a symbolic ref whose
    /// target does not exist yet.
    fn check_symbolic_refs(&mut self) {
        let root = self.repository.common_dir().to_owned();
        let mut pending: Vec<PathBuf> = ["refs/deploy", "refs/notes/deploy"]
            .into_iter()
            .map(|name| root.join(name))
            .collect();
        let mut reported = 0;
        while let Some(path) = pending.pop() {
            let Ok(metadata) = path.symlink_metadata() else {
                continue;
            };
            let name = path
                .strip_prefix(&root)
                .unwrap_or(&path)
                .display()
                .to_string();
            let remedy = if metadata.is_symlink() {
                Some(format!("rm {}", quote_path(&path)))
            } else if metadata.is_dir() {
                pending.extend(
                    std::fs::read_dir(&path)
                        .into_iter()
                        .flatten()
                        .flatten()
                        .map(|entry| entry.path()),
                );
                None
            } else {
                is_symbolic(&path)
                    .then(|| self.git_command(&format!("symbolic-ref --delete {name}")))
            };
            if let Some(remedy) = remedy.filter(|_| reported < MAX_REPORTED) {
                reported += 1;
                let message = format!(
                    "{name} is symbolic: a push to it moves another ref, which no hook judges"
                );
                self.add_problem(CheckSubject::Refs, message, remedy);
            }
        }
    }
}

/// Returns whether a loose ref is symbolic.
fn is_symbolic(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"ref:"))
}

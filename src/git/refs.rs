//! Reads refs by exact name and moves them by compare-and-swap. A returned move is durable.
//!
//! Only one ref moves at a time: a transaction over several is not atomic if the process dies.
//! Symbolic refs are refused: a hook would check their names, but git would move their targets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gix::bstr::ByteSlice as _;
use gix::refs::transaction::{PreviousValue, RefEdit};
use gix::refs::{FullName, FullNameRef, Target};

use super::durable::{make_folder, sync_paths};
use super::error::{Error, Result};
use super::object_id::{from_gix, to_gix};
use super::repo::Repository;
use crate::clock::{self, Deadline};
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::LedgerName;

/// How long to wait for the locks of the ref and of `packed-refs`, which all refs share. gix backs
/// off quadratically, with jitter.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How many times to try a move that fails although the ref has the expected value.
const MOVE_ATTEMPTS: u64 = 6;
/// The longest chain of symbolic refs that is followed, as in git.
const SYMBOLIC_STEPS: usize = 5;
/// The prefix of the ledgers' refs.
const LEDGER_PREFIX: &str = "refs/deploy/";

/// Parses a full ref name below `refs/`.
fn parse_full_name(name: &str) -> Result<FullName> {
    let invalid_ref = |why| Error::InvalidRef {
        name: name.to_owned(),
        why,
    };
    if !name.starts_with("refs/") {
        return Err(invalid_ref("it does not begin with refs/"));
    }
    FullName::try_from(name).map_err(|_| invalid_ref("git does not allow this name"))
}

/// Returns the object that a ref points to. A symbolic ref is an error.
pub(super) fn direct_target(name: &str, path: PathBuf, target: &Target) -> Result<Oid> {
    match target {
        Target::Object(id) => Ok(from_gix(id)),
        Target::Symbolic(_) => Err(Error::BrokenRef {
            name: name.to_owned(),
            path,
            why: "it is a symbolic ref, and its target could move without being checked",
        }),
    }
}

impl Repository {
    /// Reads the object that a ref points to, which may be an annotated tag; `None` if there is no
    /// such ref. Symbolic and broken refs are errors.
    pub fn read_ref(&self, name: &str) -> Result<Option<Oid>> {
        let full_name = parse_full_name(name)?;
        // Read the loose ref first, then packed-refs: in the other order, a concurrent
        // `git pack-refs` could lead to an outdated value.
        match self.read_loose_ref(full_name.as_ref())? {
            Some(target) => {
                let path = self.loose_ref_path(full_name.as_ref());
                direct_target(name, path, &target).map(Some)
            }
            None => self.read_packed_ref(name),
        }
    }

    /// Reads the object that `packed-refs` has for a ref. Ignores a loose ref.
    pub fn read_packed_ref(&self, name: &str) -> Result<Option<Oid>> {
        let full_name = parse_full_name(name)?;
        self.find_packed_ref(full_name.as_ref())
    }

    /// Returns the name at the end of a chain of symbolic refs, up to 5 as in git; `None` if `name`
    /// is not symbolic. A push to a symbolic ref moves that target.
    ///
    /// Only a loose ref can be symbolic, so this reads neither objects nor `packed-refs`.
    pub fn symref_target(&self, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let invalid_ref = |why| Error::InvalidRef {
            name: String::from_utf8_lossy(name).into_owned(),
            why,
        };
        let mut current = name.to_vec();
        for steps in 0..=SYMBOLIC_STEPS {
            // A name that git does not allow is not read: its path could lead anywhere.
            let next = match <&FullNameRef>::try_from(current.as_bstr()) {
                Ok(full_name) => self.read_loose_ref(full_name)?,
                Err(_) => None,
            };
            match next {
                Some(Target::Symbolic(next)) => current = next.as_bstr().to_vec(),
                _ => return Ok((steps > 0).then_some(current)),
            }
        }
        Err(invalid_ref(
            "its chain of symbolic refs is circular or too long",
        ))
    }

    /// Moves a ref from `old` (`None`: it must not exist) to `new`, with one reflog line.
    ///
    /// When it returns, the ref and every object written earlier through this [`Repository`] are on
    /// the disk.
    ///
    /// # Errors
    /// [`Error::LostRace`] if the ref is not at `old`; [`Error::InvalidRef`] for a ledger's ref.
    pub fn compare_and_swap(
        &self,
        name: &str,
        old: Option<Oid>,
        new: Oid,
        log: &str,
    ) -> Result<()> {
        if name.starts_with(LEDGER_PREFIX) {
            return Err(Error::InvalidRef {
                name: name.to_owned(),
                why: "a ledger is moved only by appending a validated entry",
            });
        }
        self.move_ref(name, old, new, log)
    }

    /// Moves a ledger from `old` to `new`, a later entry that the caller has validated. Only
    /// this function writes refs below `refs/deploy/`; a test lists its callers.
    pub(crate) fn advance_ledger(
        &self,
        ledger: &LedgerName,
        old: Option<EntryId>,
        new: EntryId,
        log: &str,
    ) -> Result<()> {
        self.move_ref(&ledger.ref_name(), old.map(|old| old.0), new.0, log)
    }

    /// Removes the ref of a ledger of which no entry verifies, unless it is no longer at `tip`.
    pub(crate) fn remove_unverified_ledger(&self, ledger: &LedgerName, tip: EntryId) -> Result<()> {
        self.refuse_in_quarantine("a ref")?;
        let (name, expected) = (ledger.ref_name(), tip.to_string());
        let removed = self
            .git("update-ref")
            .args(["--no-deref", "-d", &name, &expected])
            .run()?
            .into_stdout();
        match removed {
            // Another process has moved it.
            Err(_) if self.read_ref(&name)? != Some(tip.0) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Moves any ref as [`Repository::compare_and_swap`] does, and retries if another writer
    /// interferes.
    pub(super) fn move_ref(&self, name: &str, old: Option<Oid>, new: Oid, log: &str) -> Result<()> {
        self.refuse_in_quarantine("a ref")?;
        let full_name = parse_full_name(name)?;
        if old.is_none() {
            self.refuse_name_conflict(name)?;
        }
        let deadline = Deadline::after(clock::time_limit("lock", LOCK_WAIT));
        let mut attempts = 0;
        loop {
            let result = self.try_move_ref(&full_name, old, new, log);
            // The library fails for many reasons; the ref's value shows whether the race was lost.
            if !matches!(result, Err(Error::Library { .. })) {
                return result;
            }
            let current = self.read_ref(name)?;
            if current != old {
                return Err(Error::LostRace {
                    name: name.to_owned(),
                    found: current,
                });
            }
            // Another writer interfered and may have finished by now: it held a lock, removed a
            // folder, or replaced packed-refs.
            attempts += 1;
            if attempts == MOVE_ATTEMPTS || deadline.has_passed() {
                return self.explain_failed_move(&full_name).map_or(result, Err);
            }
            std::thread::sleep(Duration::from_millis(10 * attempts));
        }
    }

    /// Returns what blocks this ref: a lock file, or a folder in the place of its file.
    fn explain_failed_move(&self, name: &FullName) -> Option<Error> {
        let name = name.as_bstr().to_string();
        let lock = self.find_blocking_lock(&name);
        lock.map(Error::Locked)
            .or_else(|| self.find_folder_in_place_of(&name))
    }

    /// Returns the error for a folder in the place of this ref's file, if there is one.
    pub(crate) fn find_folder_in_place_of(&self, name: &str) -> Option<Error> {
        let path = self.common_dir().join(name);
        path.is_dir().then(|| Error::BrokenRef {
            name: name.to_owned(),
            path,
            why: "a folder is in the place of its file",
        })
    }

    /// Returns the lock file that blocks this ref, if any.
    fn find_blocking_lock(&self, name: &str) -> Option<PathBuf> {
        let locks = [format!("{name}.lock"), "packed-refs.lock".to_owned()]
            .map(|lock| self.common_dir().join(lock));
        locks.into_iter().find(|lock| lock.exists())
    }

    /// Returns a lock file that blocks any ref, if there is one.
    pub(crate) fn find_ref_lock(&self) -> Option<PathBuf> {
        let entries = walkdir::WalkDir::new(self.common_dir().join("refs"))
            .into_iter()
            .filter_map(std::result::Result::ok);
        let mut locks = entries
            .map(walkdir::DirEntry::into_path)
            .filter(|path| path.extension() == Some("lock".as_ref()));
        locks.next().or_else(|| self.find_blocking_lock("HEAD"))
    }

    /// Makes one attempt to move a ref.
    fn try_move_ref(&self, full: &FullName, old: Option<Oid>, new: Oid, log: &str) -> Result<()> {
        let name = full.as_bstr().to_string();
        let expected = match old {
            Some(old) => PreviousValue::MustExistAndMatch(Target::Object(to_gix(old))),
            None => PreviousValue::MustNotExist,
        };
        let line = log.replace(|character: char| character.is_control(), " ");
        let edit = RefEdit::update(full.clone(), to_gix(new), expected, line);
        let mut refs = self.gix.refs.clone();
        // Bare repositories write no reflog by default, but people need the server's to recover
        // from an accident.
        refs.write_reflog = gix::refs::store::WriteReflog::Always;
        let path = self.common_dir().join(&name);
        self.make_ref_folders(&path)?;
        // gix's copy of packed-refs can be old, see `read_ref`. A missing file is no failure.
        let _ = refs.force_refresh_packed_buffer();

        let wait = clock::time_limit("lock", LOCK_WAIT);
        let wait = gix::lock::acquire::Fail::AfterDurationWithBackoff(wait);
        let prepared = refs
            .transaction()
            .prepare([edit], wait, wait)
            .map_err(Error::library(format!("preparing {name}")))?;
        // Check again with the locks held. gix treats a broken file as a missing one, and can use
        // an old copy of packed-refs. In both cases it would not notice that the value has changed.
        let found = self.read_ref(&name)?;
        if found == Some(new) {
            return Ok(());
        }
        if found != old {
            return Err(Error::LostRace { name, found });
        }
        let lock = path.with_file_name(format!("{}.lock", file_name(&path)));
        // The objects must be durable before the ref names them, and the lock file before it is
        // renamed to the ref's file.
        self.sync_objects(&lock)?;
        let time = gix::date::Time::new(crate::clock::now().as_seconds(), 0).to_string();
        let committer = gix::actor::SignatureRef {
            name: "git-deploy".into(),
            email: "git-deploy".into(),
            time: &time,
        };
        prepared
            .commit(Some(committer))
            .map_err(Error::library(format!("moving {name}")))?;
        sync_paths(self.ref_folders(&path).into_iter())
    }

    /// Returns the folders from the ref's own up to `refs`, innermost first.
    fn ref_folders<'a>(&self, path: &'a Path) -> Vec<&'a Path> {
        let refs = self.common_dir().join("refs");
        path.ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(&refs))
            .collect()
    }

    /// Creates the missing folders above a ref's file.
    fn make_ref_folders(&self, path: &Path) -> Result<()> {
        let refs = self.common_dir().join("refs");
        let folders = self.ref_folders(path);
        folders
            .iter()
            .rev()
            .skip(1)
            .try_for_each(|folder| make_folder(folder, &refs))
    }

    /// Refuses a name that would make a ref both a file and a folder. gix does not notice if the
    /// other ref is packed.
    fn refuse_name_conflict(&self, name: &str) -> Result<()> {
        let conflict = |why| {
            Err(Error::InvalidRef {
                name: name.to_owned(),
                why,
            })
        };
        for (end, _) in name.match_indices('/') {
            let beginning = name.get(..end).unwrap_or_default();
            if beginning.matches('/').count() > 0 && self.read_ref(beginning)?.is_some() {
                return conflict("the beginning of its name is the name of another ref");
            }
        }
        let folder = format!("{name}/");
        if self.list_refs(&folder)?.is_empty() {
            Ok(())
        } else {
            conflict("there are refs whose names begin with its name and a slash")
        }
    }
}

/// Returns the last part of a ref's path.
fn file_name(path: &Path) -> String {
    // A full ref name has a last part, and it is UTF-8.
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Checks whether git allows this full ref name.
pub fn is_valid_ref_name(name: &str) -> bool {
    <&FullNameRef>::try_from(name).is_ok() && name.starts_with("refs/")
}

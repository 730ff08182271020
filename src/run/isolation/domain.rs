//! Restricts this process, on Linux: with a Landlock domain, and by dropping the capabilities that
//! reach around it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible as _, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::thread::{
    CapabilitySet, capabilities, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// The capabilities with which root can read other processes from inside a domain, or leave it: also
/// through the memory of the machine, or as a part of the kernel.
const DROPPED_CAPABILITIES: [CapabilitySet; 5] = [
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::PERFMON,
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::SYS_MODULE,
];
/// The first version of Landlock that can deny every way to change a file's content: on an older one,
/// `truncate` still empties it.
const FILES_ABI: ABI = ABI::V3;
/// The devices that every command may write to, if they exist.
const DEVICES: [&str; 6] = [
    "/dev/full",
    "/dev/null",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/tty",
    "/dev/zero",
];

/// Why this process could not be restricted.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestrictError {
    #[error("the kernel does not support Landlock, or only an older version of it")]
    Unsupported(#[source] RulesetError),
    #[error("Landlock is not available: {0}")]
    Landlock(#[from] RulesetError),
    #[error("Landlock is not available: the kernel has not enforced the rules")]
    NotEnforced,
    #[error("cannot allow writing to {}: {source}", path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("cannot drop privileges: {0}")]
    Privileges(#[from] rustix::io::Errno),
}

/// Restricts this process, and with it everything that it starts or becomes. With `files`, it may
/// write only to them and to what is below them.
///
/// A domain has access to itself and the domains made inside it: a process outside of it cannot be
/// traced from it, nor its memory and its environment read.
pub(super) fn restrict_self(files: Option<&[PathBuf]>) -> Result<(), RestrictError> {
    let sets = capabilities(None)?;
    // Only with these two can the capabilities also be kept from programs that are executed later.
    let is_privileged = sets
        .effective
        .contains(CapabilitySet::SYS_ADMIN | CapabilitySet::SETPCAP);
    if !is_privileged {
        // The kernel demands this. It also keeps programs with the set-user-id bit from gaining
        // capabilities, and so disables sudo.
        set_no_new_privs(true)?;
    }
    let domain = match files {
        None => build_process_domain().map_err(RestrictError::Unsupported)?,
        Some(files) => build_file_domain(files)?,
    };
    let status = domain.no_new_privs(false).restrict_self()?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(RestrictError::NotEnforced);
    }
    if is_privileged {
        for capability in DROPPED_CAPABILITIES {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    let dropped: CapabilitySet = DROPPED_CAPABILITIES.into_iter().collect();
    let mut sets = sets;
    sets.effective.remove(dropped);
    sets.permitted.remove(dropped);
    // The ambient set cannot contain what is not inheritable, so this lowers it, too.
    sets.inheritable.remove(dropped);
    set_capabilities(None, sets)?;
    Ok(())
}

/// Builds a domain that restricts no access to files.
///
/// A domain must restrict something. Sockets without a path cost commands the least: rules about files
/// would also forbid mounts, which builds in their own user namespace need. Signals stay allowed,
/// because a deployment may stop a server that an earlier one has started.
fn build_process_domain() -> Result<RulesetCreated, RulesetError> {
    let scoped = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(Scope::AbstractUnixSocket)
        .and_then(Ruleset::create);
    if scoped.is_ok() {
        return scoped;
    }
    // Before Linux 6.12. A domain with rules about files can forbid moving them between folders
    // even if no rule is about that, so it must be allowed.
    let rights = AccessFs::Execute | AccessFs::Refer;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Execute)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::Refer)?
        .create()?;
    let root = landlock::PathFd::new("/").map(|root| PathBeneath::new(root, rights));
    match root {
        Ok(rule) => ruleset.add_rule(rule),
        // Nothing could be executed.
        Err(_) => Ok(ruleset),
    }
}

/// Builds a domain that can read and execute all files, and write only to these.
fn build_file_domain(files: &[PathBuf]) -> Result<RulesetCreated, RestrictError> {
    let rights = AccessFs::from_write(FILES_ABI);
    // A device that root makes reaches the whole disk, wherever its file is.
    let folder_rights = rights & !(AccessFs::MakeBlock | AccessFs::MakeChar);
    let file_rights = AccessFs::WriteFile | AccessFs::Truncate;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(rights)
        .map_err(RestrictError::Unsupported)?
        .set_compatibility(CompatLevel::BestEffort)
        // Another process could be made to write a file, or its memory, for the command.
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    for path in files {
        let path_error = |source| RestrictError::Path {
            path: path.clone(),
            source,
        };
        let file = open_path(path).map_err(path_error)?;
        let is_folder = file.metadata().map_err(path_error)?.is_dir();
        let rights = if is_folder {
            folder_rights
        } else {
            file_rights
        };
        ruleset = ruleset.add_rule(PathBeneath::new(file, rights))?;
    }
    for device in DEVICES.map(Path::new) {
        if let Ok(file) = open_path(device) {
            ruleset = ruleset.add_rule(PathBeneath::new(file, AccessFs::WriteFile))?;
        }
    }
    Ok(ruleset)
}

/// Opens a canonical path, to name it in a rule. Fails if a part of it was replaced by a symbolic
/// link since then: another command may have done that, to be allowed to write elsewhere.
fn open_path(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    Ok(File::from(file))
}

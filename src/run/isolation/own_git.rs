//! Isolates the git that this program starts, like a command of the policy: git runs `ssh`, credential
//! helpers and other programs, which a command may have replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::Command;

use super::helper::{self, Kind};
use crate::git::command::launch_git_with;
use crate::run::caller_env::CallerEnv;
use crate::run::process::MaskError;
use crate::signing::exposed_key::find_exposed_key;

/// Isolates every later git of this process from other processes, and keeps the signing key and its
/// copies out of its environment.
///
/// Git can ask for passwords at the terminal, unless another process has the key in its environment: a
/// program that types in the terminal of that process could have it print the key.
///
/// # Errors
/// The environment cannot be searched for the key.
pub fn isolate_own_git() -> Result<(), MaskError> {
    let copies = CallerEnv::read(&BTreeSet::new())?.left_out;
    let kind = if find_exposed_key().is_some() {
        Kind::Processes
    } else {
        Kind::ProcessesAtTerminal
    };
    launch_git_with(move |git| build_isolated(git, kind, &copies));
    Ok(())
}

/// Builds the helper that becomes this git. Git itself removes the signing variables.
fn build_isolated(git: &Command, kind: Kind<'_>, left_out: &[String]) -> Command {
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    for name in left_out {
        variables.remove(std::ffi::OsStr::new(name));
    }
    for (name, value) in git.get_envs() {
        match value {
            Some(value) => variables.insert(name.to_owned(), value.to_owned()),
            None => variables.remove(name),
        };
    }
    let mut isolated = helper::build(kind);
    isolated.arg(git.get_program()).args(git.get_args());
    helper::set_variables(&mut isolated, &variables);
    if let Some(folder) = git.get_current_dir() {
        isolated.current_dir(folder);
    }
    isolated
}

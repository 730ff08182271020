//! The specification of a command to run: its folder, its environment and its limits.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::mask::Mask;
use crate::program::Stream;
use crate::run::isolation::CommandIsolation;

/// Receives each line as it is printed, masked but not yet safe to show: see [`Mask::clean_line`].
pub type LineObserver<'a> = dyn Fn(Stream, &[u8]) + Sync + 'a;

/// The program to run.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// A script for `sh -c`.
    Shell(&'a str),
    /// A program and its arguments. Never empty.
    Direct(&'a [OsString]),
}

/// A command to be run.
#[derive(Clone, Copy)]
pub struct CommandSpec<'a> {
    /// The program.
    pub program: Program<'a>,
    /// Its working directory.
    pub folder: &'a Path,
    /// Its whole environment.
    pub variables: &'a BTreeMap<String, OsString>,
    /// How it is isolated.
    pub isolation: &'a CommandIsolation,
    /// The bytes of its standard input.
    pub input: &'a [u8],
    /// Its time limit, if any.
    pub timeout: Option<Duration>,
    /// How long its process group may take to end after each signal, if it is cancelled.
    pub grace: Duration,
    /// How many bytes of its standard output are kept in memory.
    pub kept_bytes: usize,
    /// Masks secrets in its output.
    pub mask: &'a Mask,
    /// The file to which its output is appended, made safe to show.
    pub log: Option<&'a Path>,
    /// Receives each line as it is printed.
    pub on_line: Option<&'a LineObserver<'a>>,
}

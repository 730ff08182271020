//! The programs that git starts: those of the search path, and those that settings and variables name.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::error::Result;
use super::repo::Repository;

/// Variables whose values are commands.
const VARIABLES: [&str; 5] = [
    "GIT_ASKPASS",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "SSH_ASKPASS",
];
/// Settings whose values are commands: the section and the key, with or without a subsection.
const SETTINGS: [(&str, &str); 14] = [
    ("core", "askpass"),
    ("core", "fsmonitor"),
    ("core", "gitproxy"),
    ("core", "sshcommand"),
    ("credential", "helper"),
    ("diff", "command"),
    ("diff", "external"),
    ("diff", "textconv"),
    ("filter", "clean"),
    ("filter", "process"),
    ("filter", "smudge"),
    ("gpg", "program"),
    ("remote", "receivepack"),
    ("remote", "uploadpack"),
];
/// Programs that git starts by their names.
const NAMES: [&str; 3] = ["git", "sh", "ssh"];

/// Where the programs that git starts are.
#[derive(Debug, Default)]
pub struct ProgramPaths {
    /// The folders of the search path and of git's own programs.
    pub folders: Vec<PathBuf>,
    /// The programs there that git starts, which may be links to other folders, and the files that
    /// settings and variables name.
    pub files: Vec<PathBuf>,
}

impl Repository {
    /// Finds the programs that git starts.
    pub fn find_program_paths(&self) -> Result<ProgramPaths> {
        let base = self.work_dir().unwrap_or(self.git_dir());
        let own = self.unfrozen_git("--exec-path").run()?.into_stdout()?;
        let own = PathBuf::from(OsStr::from_bytes(own.trim_ascii_end()));
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let mut paths = ProgramPaths::default();
        for folder in std::env::split_paths(&search_path).chain([own]) {
            // An empty name stands for the working directory.
            let folder = base.join(folder);
            paths.files.extend(NAMES.map(|name| folder.join(name)));
            paths.files.extend(list_git_programs(&folder));
            paths.folders.push(folder);
        }
        let settings = self
            .unfrozen_git("config")
            .args(["--list", "--null"])
            .run()?
            .into_stdout()?;
        let settings = settings.split(|byte| *byte == 0).filter_map(find_command);
        let variables = VARIABLES.into_iter().filter_map(std::env::var_os);
        for command in settings
            .map(OsStr::from_bytes)
            .map(OsStr::to_owned)
            .chain(variables)
        {
            let words = split_words(command.as_bytes());
            let files = words.into_iter().filter_map(|word| find_file(base, word));
            paths.files.extend(files);
        }
        Ok(paths)
    }
}

/// Lists the programs `git-…` in a folder: subcommands, transports and credential helpers.
fn list_git_programs(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_bytes().starts_with(b"git-"))
        .map(|entry| entry.path())
}

/// Returns the value of a setting that is a command.
fn find_command(setting: &[u8]) -> Option<&[u8]> {
    let newline = setting.iter().position(|byte| *byte == b'\n')?;
    let (name, value) = (setting.get(..newline)?, setting.get(newline + 1..)?);
    let mut parts = name.split(|byte| *byte == b'.');
    let (section, key) = (parts.next()?, parts.next_back()?);
    SETTINGS
        .iter()
        .any(|it| it.0.as_bytes() == section && it.1.as_bytes() == key)
        .then_some(value)
}

/// Splits a command into words, as a shell does with simple commands.
fn split_words(command: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut quote = None;
    let mut is_escaped = false;
    for byte in command {
        match (byte, quote) {
            (_, _) if is_escaped => {
                is_escaped = false;
                word.push(*byte);
            }
            (b'\\', None | Some(b'"')) => is_escaped = true,
            (b'"' | b'\'', None) => quote = Some(*byte),
            (byte, Some(open)) if *byte == open => quote = None,
            (b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'!' | b'(' | b')' | b'=', None) => {
                words.push(std::mem::take(&mut word));
            }
            (byte, _) => word.push(*byte),
        }
    }
    words.push(word);
    words
}

/// Returns the path that a word is. A word without a slash is a program of the search path, or no file.
fn find_file(base: &Path, word: Vec<u8>) -> Option<PathBuf> {
    if !word.contains(&b'/') {
        return None;
    }
    let path = PathBuf::from(OsString::from_vec(word));
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    for prefix in ["~", "$HOME", "${HOME}"] {
        if let Ok(rest) = path.strip_prefix(prefix) {
            return Some(home()?.join(rest));
        }
    }
    Some(base.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_command_are_found() {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        for (setting, expected) in [
            (
                "core.sshcommand\nssh -F /etc/x -i '/a b/key'",
                vec!["/etc/x", "/a b/key"],
            ),
            ("credential.helper\n!/a/helper --x", vec!["/a/helper"]),
            ("credential.helper\n/a\\ b/helper", vec!["/a b/helper"]),
            (
                "credential.https://x.y/z.helper\n~/helper",
                vec!["HOME/helper"],
            ),
            ("core.sshcommand\n\"$HOME/my ssh\" -4", vec!["HOME/my ssh"]),
            (
                "core.sshcommand\nX=./y sh -c '${HOME}/z'",
                vec!["/base/./y", "HOME/z"],
            ),
            ("credential.helper\nstore", vec![]),
            ("remote.origin.receivepack\n/a/rp", vec!["/a/rp"]),
            ("remote.origin.url\n/a/repo", vec![]),
            ("core.sshcommand", vec![]),
        ] {
            let words = find_command(setting.as_bytes()).map(split_words);
            let found: Vec<PathBuf> = words
                .into_iter()
                .flatten()
                .filter_map(|word| find_file(Path::new("/base"), word))
                .collect();
            let expected: Vec<PathBuf> = expected
                .into_iter()
                .map(|path| PathBuf::from(path.replace("HOME", home.to_str().unwrap())))
                .collect();
            assert_eq!(found, expected, "{setting}");
        }
    }
}

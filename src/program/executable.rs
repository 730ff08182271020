//! Whether a program can be executed: its file, and the interpreter that a script names.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// How much of a script the kernel reads to find its interpreter, in bytes.
pub const MAX_FIRST_LINE: usize = 256;
/// How many interpreters the kernel follows, if one is a script itself.
const MAX_INTERPRETERS: usize = 4;

/// Returns whether a path is a file that this user may execute.
pub fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// Finds the file of a program as a shell does: a name with a slash is a path, any other is looked for
/// in the folders of `search_path`, the value of `PATH`.
pub fn find_program(name: &OsStr, search_path: &OsStr) -> Option<PathBuf> {
    let can_run = |path: &PathBuf| is_executable(path);
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name)).filter(can_run);
    }
    let mut files = std::env::split_paths(search_path).map(|folder| folder.join(name));
    files.find(can_run)
}

/// Returns the program that the first line of a script names and that cannot be executed. Returns
/// `None` for a file that can be executed, and for one that cannot be read. `env` looks for a program in
/// `search_path`.
pub fn find_missing_interpreter(program: &Path, search_path: &OsStr) -> Option<String> {
    let mut script = program.to_owned();
    for _ in 0..MAX_INTERPRETERS {
        let mut beginning = Vec::new();
        let file = File::open(&script).ok()?;
        file.take(MAX_FIRST_LINE as u64)
            .read_to_end(&mut beginning)
            .ok()?;
        let (interpreter, argument) = parse_first_line(&beginning)?;
        if !is_executable(&interpreter) {
            return Some(interpreter.to_string_lossy().into_owned());
        }
        let is_env = interpreter.file_name() == Some(OsStr::new("env"));
        // Options and assignments may precede the name.
        let is_name = !argument.starts_with(b"-") && !argument.contains(&b'=');
        if is_env && is_name && !argument.is_empty() {
            let is_missing = find_program(OsStr::from_bytes(argument), search_path).is_none();
            return is_missing.then(|| String::from_utf8_lossy(argument).into_owned());
        }
        script = interpreter;
    }
    None
}

/// Returns the interpreter that the first line of a script names, and the argument that it gets.
/// Returns `None` if the file is no script, or if the interpreter depends on the working directory.
pub fn parse_first_line(beginning: &[u8]) -> Option<(PathBuf, &[u8])> {
    let line = beginning.strip_prefix(b"#!")?;
    let line = line.split(|byte| matches!(byte, b'\n' | 0)).next()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = line.iter().position(|byte| !is_blank(byte))?;
    let line = line.get(start..)?;
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at_checked(end)?;
    let path = PathBuf::from(OsStr::from_bytes(interpreter));
    path.is_absolute().then(|| (path, argument.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_interpreter_of_a_script_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let other = folder.path().join("other");
        let nested = format!("#!{}\n", other.display());
        fs::write(&other, "#!/nope/inner\n").unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
        for (text, missing) in [
            ("", None),
            ("echo\n", None),
            ("#!/bin/sh", None),
            ("#! /bin/sh -e\n", None),
            ("#!relative/sh\n", None),
            ("#!/usr/bin/env sh\n", None),
            ("#!/usr/bin/env -S sh -e\n", None),
            ("#!/usr/bin/env A=1 nope\n", None),
            ("#!/nope\n", Some("/nope")),
            ("#! /nope -x\n", Some("/nope")),
            ("#!/bin/sh\r\n", Some("/bin/sh\r")),
            ("#!/usr/bin/env no-such-program\n", Some("no-such-program")),
            // `env` gets one argument.
            ("#!/usr/bin/env sh -e\n", Some("sh -e")),
            (&nested, Some("/nope/inner")),
        ] {
            fs::write(&script, text).unwrap();
            let found = find_missing_interpreter(&script, OsStr::new("/nope:/bin:/usr/bin"));
            assert_eq!(found.as_deref(), missing, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_executable_only_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(!is_executable(&file) && !is_executable(folder.path()));
        for mode in [0o644, 0o755] {
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_executable(&file), mode == 0o755);
            assert_eq!(
                find_program(file.as_os_str(), OsStr::new("")).is_some(),
                mode == 0o755
            );
        }
        let path = OsStr::new("/nope:/bin:/usr/bin");
        assert!(find_program(OsStr::new("sh"), path).is_some());
        assert!(find_program(OsStr::new("no-such-program"), path).is_none());
    }
}

//! Lets the user write a text in their editor, as `git commit` does.

use std::process::{Command, Stdio};

use super::{CliError, ErrorContext as _, ErrorKind};
use crate::git::Repository;
use crate::git::command::GitOutput;
use crate::git::private_files::TempFolder;
use crate::input_file::read_regular_file;
use crate::signing::SECRET_VARIABLES;

/// The most bytes that are read of the file.
const MAX_BYTES: u64 = 64 << 10;

/// Opens the user's editor (`GIT_EDITOR`, `core.editor`, `VISUAL`, `EDITOR`, in git's order) with
/// `question` as a comment, and returns the text without comments. Its lines are joined.
pub(super) fn write_in_editor(repository: &Repository, question: &str) -> Result<String, CliError> {
    let cannot_edit = "cannot open an editor for the reason";
    let failed = |error: CliError| error.hint("-m REASON");
    let editor = repository.git("var").arg("GIT_EDITOR").run();
    let editor = editor
        .and_then(GitOutput::into_stdout)
        .context(ErrorKind::CannotTell, cannot_edit)
        .map_err(failed)?;
    let editor = String::from_utf8_lossy(&editor).trim_end().to_owned();
    let folder = TempFolder::new().context(ErrorKind::CannotTell, cannot_edit)?;
    let file = folder.path().join("DEPLOY_EDITMSG");
    let text = format!(
        "\n# {question}\n# Lines that begin with # are ignored. An empty text cancels the command.\n"
    );
    std::fs::write(&file, text).context(ErrorKind::CannotTell, cannot_edit)?;
    // As git does, so that the setting may have arguments and use shell syntax.
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(&editor)
        .arg(&file);
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    command.stdin(Stdio::inherit());
    let status = command
        .status()
        .context(ErrorKind::CannotTell, cannot_edit)?;
    if !status.success() {
        let message = format!("the editor {editor} failed ({status}): nothing was written");
        return Err(failed(CliError::new(ErrorKind::Usage, message)));
    }
    let text = read_regular_file(&file, MAX_BYTES).context(ErrorKind::CannotTell, cannot_edit)?;
    Ok(join_lines(&String::from_utf8_lossy(&text)))
}

/// Returns a text without comments and empty lines, on one line.
fn join_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_removed_and_lines_joined() {
        for (text, wanted) in [
            ("\n# Why?\n", ""),
            ("", ""),
            ("Incident 4711\n# Why?\n", "Incident 4711"),
            (
                "\nThe database\r\n  is full # really\n\n# Why?\n",
                "The database is full # really",
            ),
        ] {
            assert_eq!(join_lines(text), wanted);
        }
    }
}

//! The reason that some entries must have: an option, or written in the user's editor.

use crate::cli::editor::write_in_editor;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_report};
use crate::domain::text::Line;

/// The required reason of an entry.
#[derive(clap::Args)]
pub struct ReasonArgs {
    /// The reason, shown to everyone
    ///
    /// If it is missing on a terminal, git's editor is opened for it (`GIT_EDITOR`, `core.editor`,
    /// `VISUAL`, `EDITOR`).
    #[arg(short, long, value_name = "REASON", value_parser = append_report::parse_line)]
    message: Option<Line>,
}

impl ReasonArgs {
    /// Checks, before anything else is read, that there is a reason or a terminal to write it at.
    ///
    /// # Errors
    ///
    /// Fails if there is neither.
    pub fn require(&self, ui: &Ui) -> Result<(), CliError> {
        if self.message.is_some() || ui.can_edit() {
            return Ok(());
        }
        Err(CliError::new(ErrorKind::Usage, "a reason is required").hint("-m REASON"))
    }

    /// Returns the reason. `question` asks for it in the editor, as in `Why is prod locked?`.
    ///
    /// # Errors
    ///
    /// Fails if there is no terminal, or if the text in the editor is empty.
    pub fn read(&self, ui: &Ui, workspace: &Workspace, question: &str) -> Result<Line, CliError> {
        if let Some(message) = &self.message {
            return Ok(message.clone());
        }
        self.require(ui)?;
        let text = write_in_editor(&workspace.repository, question)?;
        if text.is_empty() {
            return Err(CliError::new(
                ErrorKind::Usage,
                "the reason is empty: nothing was written",
            ));
        }
        append_report::parse_line(&text).context(ErrorKind::Usage, "this cannot be a reason")
    }
}

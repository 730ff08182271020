//! `git deploy help`: shows the help of a command or a topic.

use crate::cli::{CliError, ErrorKind, Ui, help};
use crate::domain::policy::suggest_nearest;

/// Show the help of a command or a topic
///
/// Same as --help after the command. The topics are revisions (how to name a commit) and exit-codes.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy help run
  git deploy help policy publish
  git deploy help revisions")]
pub struct Args {
    /// The command and its subcommand, or a topic. Defaults to the list of commands
    #[arg(value_name = "COMMAND")]
    words: Vec<String>,
}

/// The topics, each with its text.
const TOPICS: [(&str, &str); 2] = [("revisions", REVISIONS), ("exit-codes", help::EXIT_STATUS)];

const REVISIONS: &str = "\
A commit (REV) is named by:
  a Git revision     HEAD~2, v1.5.0, 3f2a9c1, feature/login
  ENV                the commit that an environment runs, as in git deploy run stage dev
  ENV:COMPONENT      the commit of one component there, if the environment runs several

If a branch or a tag has the name of an environment and is at another commit, write heads/NAME or
tags/NAME for it, and ENV:COMPONENT for the environment.

The first word of a command that takes ENV and REV is always the environment, even if a branch has
the same name. Without ENV, it is the environment of the current branch or CI job.";

/// Prints the help of the command or topic.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    if let [word] = &args.words[..]
        && let Some((_, text)) = TOPICS.iter().find(|(name, _)| name == word)
    {
        ui.print(text);
        return Ok(());
    }
    let mut command = help::build_command();
    // Gives each subcommand its whole name.
    command.build();
    let mut found = &mut command;
    for word in &args.words {
        let names: Vec<String> = found
            .get_subcommands()
            .map(|it| it.get_name().to_owned())
            .collect();
        found = found
            .find_subcommand_mut(word)
            .ok_or_else(|| explain_unknown(word, &names))?;
    }
    ui.print(found.render_long_help().ansi().to_string().trim_end());
    Ok(())
}

/// Returns the error for a word that is no command and no topic.
fn explain_unknown(word: &str, names: &[String]) -> CliError {
    let topics = TOPICS.iter().map(|(name, _)| *name);
    let candidates = names.iter().map(String::as_str).chain(topics);
    let suggestion = suggest_nearest(word, candidates)
        .map_or_else(String::new, |nearest| format!("; {nearest}"));
    CliError::new(
        ErrorKind::Usage,
        format!("there is no command or topic {word:?}{suggestion}"),
    )
    .hint("git deploy help")
}

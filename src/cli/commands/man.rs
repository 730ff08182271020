//! `git deploy man`: writes the manual pages from the doc comments that `--help` shows.

use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, help};

/// Write the manual pages to a folder
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy man ~/.local/share/man/man1")]
pub struct Args {
    /// The folder. It is created if needed
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes one page for the program and one for each command.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let directory = &args.directory;
    let cannot_write = || format!("cannot write the manual pages to {}", directory.display());
    std::fs::create_dir_all(directory).context(ErrorKind::CannotTell, cannot_write())?;
    let mut command = help::build_command();
    command.build();
    let written = write_tree(&command, directory).context(ErrorKind::CannotTell, cannot_write())?;
    ui.print(format_args!(
        "{written} manual pages written to {}",
        directory.display()
    ));
    Ok(())
}

/// Writes the pages of a command and of its subcommands. Returns the number of pages.
fn write_tree(command: &clap::Command, directory: &Path) -> io::Result<usize> {
    // The version is left out, because it would change every page in every release.
    let man = Man::new(command.clone())
        .source("git-deploy")
        .manual("Git Deploy Manual");
    std::fs::write(
        directory.join(man.get_filename()),
        render_page(&man, command)?,
    )?;
    command
        .get_subcommands()
        .try_fold(1, |written, sub| Ok(written + write_tree(sub, directory)?))
}

fn render_page(man: &Man, command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let whole_program = command.get_name() == "git-deploy";
    if whole_program {
        render_commands(command).to_writer(&mut page)?;
    } else if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_options_section(&mut page)?;
    if let Some(examples) = help::extract_examples(command) {
        render_examples(&examples).to_writer(&mut page)?;
    }
    render_exit_status().to_writer(&mut page)?;
    Ok(page)
}

fn render_commands(command: &clap::Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for (group, commands) in help::group_commands(command) {
        roff.control("SS", [group]);
        for sub in commands {
            roff.control("TP", []);
            roff.text([bold(format!("git-deploy-{}", sub.get_name())), roman("(1)")]);
            roff.text([roman(
                sub.get_about().map(ToString::to_string).unwrap_or_default(),
            )]);
        }
    }
    roff
}

/// Renders the examples as in `--help`: each description, followed by its commands.
fn render_examples(examples: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in examples.lines() {
        // Roff would drop an empty text line.
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
    roff
}

fn render_exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in help::EXIT_STATUS
        .lines()
        .filter_map(|line| line.trim_start().split_once("  "))
    {
        roff.control("TP", []);
        roff.text([bold(code)]);
        roff.text([roman(meaning)]);
    }
    roff
}

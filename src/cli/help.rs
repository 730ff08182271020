//! The help of the whole program, with its commands in groups, which clap does not support.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use clap::CommandFactory as _;

use super::{Cli, GROUPS, ui};
use crate::view::wrap::wrap_hanging;

/// The meaning of the exit codes, for the long help and the man page of every command.
pub const EXIT_STATUS: &str = "\
Exit status:
  0  yes, or done
  1  no: a gate refuses, an audit found something
  2  wrong usage
  3  could not tell: git, network, disk, a missing fact
  4  a command of the policy failed, and with it a deployment
  5  waiting for approvals";

/// Builds the command line definition with the grouped help.
pub fn build_command() -> clap::Command {
    let command = add_exit_status(Cli::command());
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    let heading = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let width = ui::detect_width(std::io::stdout().is_terminal());
    let longest = command
        .get_subcommands()
        .map(|sub| sub.get_name().len())
        .max()
        .unwrap_or_default();
    for (group, commands) in group_commands(&command) {
        // Writing to a string cannot fail.
        let _ = writeln!(template, "\n{heading}{group}:{heading:#}");
        for sub in commands {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let head = format!("  {literal}{:longest$}{literal:#}  ", sub.get_name());
            let _ = writeln!(
                template,
                "{}",
                wrap_hanging(&head, &about, width).join("\n")
            );
        }
    }
    let _ = write!(
        template,
        "\n{heading}Options:{heading:#}\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

/// Adds the exit codes to the long help of every command, because a script's author reads the help
/// of one command only.
fn add_exit_status(command: clap::Command) -> clap::Command {
    command
        .after_long_help(EXIT_STATUS)
        .mut_subcommands(add_exit_status)
}

/// Returns the commands of each group, under its heading.
pub fn group_commands(command: &clap::Command) -> Vec<(&'static str, Vec<&clap::Command>)> {
    let mut commands = command.get_subcommands();
    GROUPS
        .iter()
        .map(|(group, number)| (*group, commands.by_ref().take(*number).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the definition of the command line, which clap validates only on request.
    #[test]
    fn definition() {
        build_command().debug_assert();
    }

    /// Checks that the long help of every command has the exit codes.
    #[test]
    fn every_command_tells_its_exit_codes() {
        fn check(command: &mut clap::Command) {
            assert!(
                command
                    .render_long_help()
                    .to_string()
                    .contains("Exit status:"),
                "{}",
                command.get_name()
            );
            command.get_subcommands_mut().for_each(check);
        }
        check(&mut build_command());
    }

    /// Checks that the help lists every command with its description.
    #[test]
    fn every_command_is_listed() {
        let mut command = build_command();
        let help = command.render_help().to_string();
        assert_eq!(
            group_commands(&command)
                .iter()
                .map(|(_, commands)| commands.len())
                .sum::<usize>(),
            command.get_subcommands().count()
        );
        for sub in command.get_subcommands() {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(
                !about.is_empty(),
                "{} says nothing about itself",
                sub.get_name()
            );
            let listed = help.lines().any(|line| {
                line.starts_with(&format!("  {} ", sub.get_name())) && line.ends_with(&about)
            });
            assert!(listed, "{} is missing:\n{help}", sub.get_name());
        }
    }
}

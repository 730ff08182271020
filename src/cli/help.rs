//! Builds the help of the whole program with the commands in groups, which clap does not support.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use clap::CommandFactory as _;

use super::{Cli, GROUPS, ui};
use crate::view::wrap::wrap_hanging;

/// The meaning of the exit codes, for the long help and the man page of every command.
pub const EXIT_STATUS: &str = "\
Exit status:
  0  success, or the answer is yes
  1  denied: a rule refuses, an audit has findings, or the answer is no
  2  usage error
  3  cannot tell: a problem with git, the network or the disk, or a missing fact
  4  a command of the policy failed, or the run was interrupted
  5  waiting for approvals, or a plan has changed
  6  deployed partly: some components were left out";

/// Builds the command line definition with the grouped help.
pub fn build_command() -> clap::Command {
    let command = add_exit_status(Cli::command());
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    let heading = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let width = ui::detect_width(std::io::stdout().is_terminal());
    let name_width = command
        .get_subcommands()
        .map(|sub| sub.get_name().len())
        .max()
        .unwrap_or_default();
    for (group, commands) in group_commands(&command) {
        // Writing to a string cannot fail.
        let _ = writeln!(template, "\n{heading}{group}:{heading:#}");
        for sub in commands {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let head = format!("  {literal}{:name_width$}{literal:#}  ", sub.get_name());
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

/// Appends the exit codes to the examples in the long help of every command, because a script's
/// author reads the help of one command only.
fn add_exit_status(command: clap::Command) -> clap::Command {
    let help = match command.get_after_long_help() {
        Some(examples) => format!("{examples}\n\n{EXIT_STATUS}"),
        None => EXIT_STATUS.to_owned(),
    };
    command
        .after_long_help(help)
        .mut_subcommands(add_exit_status)
}

/// Returns the examples in a command's long help, without their heading. Lines with commands are
/// indented more than their descriptions.
pub fn extract_examples(command: &clap::Command) -> Option<String> {
    let help = command.get_after_long_help()?.to_string();
    let examples = help.strip_prefix("Examples:\n")?;
    Some(examples.trim_end_matches(EXIT_STATUS).trim_end().to_owned())
}

/// Returns the groups in the order of the help: each heading with its commands.
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

    /// Calls a function for a command and all its subcommands, each with its full name.
    fn for_each_command(
        command: &clap::Command,
        words: &str,
        check: &mut dyn FnMut(&str, &clap::Command),
    ) {
        check(words, command);
        for sub in command.get_subcommands() {
            for_each_command(sub, &format!("{words} {}", sub.get_name()), check);
        }
    }

    /// Checks that the long help of every command has the exit codes.
    #[test]
    fn every_command_lists_the_exit_codes() {
        for_each_command(&build_command(), "git deploy", &mut |words, command| {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("\n\nExit status:\n"), "{words}:\n{help}");
        });
    }

    /// Checks that every command shows an example of itself, and that all examples parse.
    #[test]
    fn every_command_has_examples() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("alice.pub");
        let public = "RWSXi1EVC3zxjMj5WjaNSjXFWPFJZzsOdwdn83NNPv3vDeBmWMIWIXEu";
        std::fs::write(&key, format!("untrusted comment: alice\n{public}\n")).unwrap();
        for_each_command(&build_command(), "git deploy", &mut |words, command| {
            let examples = extract_examples(command).unwrap_or_default();
            let examples: Vec<Vec<String>> = examples.lines().filter_map(split_example).collect();
            let own: Vec<&str> = words.split(' ').skip(2).collect();
            assert!(
                examples.iter().any(|example| {
                    let mut verbs = example.iter().map(String::as_str);
                    own.iter().all(|verb| verbs.any(|word| word == *verb))
                }),
                "{words} has no example of itself"
            );
            for example in examples {
                let example: Vec<String> = example
                    .into_iter()
                    .map(|word| word.replace("alice.pub", key.to_str().unwrap()))
                    .collect();
                if let Err(error) = build_command().try_get_matches_from(&example) {
                    panic!("the help of {words} has {example:?}:\n{error}");
                }
            }
        });
    }

    /// Returns the words of the call of this program in a line of shell, if there is one.
    fn split_example(line: &str) -> Option<Vec<String>> {
        let start = ["git deploy ", "git-deploy "]
            .iter()
            .find_map(|program| Some(line.find(program)? + program.len()))?;
        let mut words = vec!["git-deploy".to_owned()];
        let (mut word, mut quote) = (None::<String>, None);
        for letter in line[start..].chars().chain([' ']) {
            match (letter, quote) {
                (letter, Some(end)) if letter == end => quote = None,
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (' ' | ';' | '>' | '|', None) => {
                    words.extend(word.take());
                    if letter != ' ' {
                        break;
                    }
                }
                _ => word.get_or_insert_default().push(letter),
            }
        }
        Some(words)
    }

    /// Checks that the short help of every command fits a screen. The help of the whole program is
    /// excepted, because it lists all commands.
    #[test]
    fn short_help_fits_a_screen() {
        let mut lengths = Vec::new();
        let mut command = build_command();
        command.build();
        for_each_command(&command, "git deploy", &mut |words, command| {
            let help = command.clone().term_width(80).render_help().to_string();
            lengths.push((help.lines().count(), words.to_owned()));
            if let Some(line) = help.lines().find(|line| line.chars().count() > 80) {
                panic!("{words}: {line}");
            }
        });
        for (lines, words) in lengths {
            // `record` has many options, and some are too long for two columns.
            let max_lines = match words.as_str() {
                "git deploy" => continue,
                "git deploy record" => 40,
                _ => 24,
            };
            assert!(lines <= max_lines, "{words} -h has {lines} lines");
        }
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
            assert!(!about.is_empty(), "{} has no description", sub.get_name());
            let listed = help.lines().any(|line| {
                line.starts_with(&format!("  {} ", sub.get_name())) && line.ends_with(&about)
            });
            assert!(listed, "{} is missing:\n{help}", sub.get_name());
        }
    }
}

//! The command of `git deploy record ENV -- COMMAND`, for messages that suggest to type it again.

use std::ffi::OsString;

use crate::cli::exposed_secrets::refuse_exposed_secrets;
use crate::domain::command_line::quote_word;
use crate::domain::deploy_command::COMMAND_PLACEHOLDER;
use crate::domain::policy::Policy;
use crate::domain::text::sanitize;

/// Returns the command, quoted for a shell. Returns a placeholder if a word cannot be printed, or has the
/// value of a secret of the policy.
pub(super) fn format_command(policy: &Policy, command: &[OsString]) -> String {
    let words: Option<Vec<&str>> = command.iter().map(|word| word.to_str()).collect();
    let is_printable = |words: &Vec<&str>| {
        words.iter().all(|word| sanitize(word) == **word)
            && refuse_exposed_secrets(policy, words).is_ok()
    };
    match words.filter(is_printable) {
        Some(words) => {
            let quoted: Vec<String> = words.into_iter().map(quote_word).collect();
            quoted.join(" ")
        }
        None => COMMAND_PLACEHOLDER.to_owned(),
    }
}

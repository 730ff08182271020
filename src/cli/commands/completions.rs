//! `git deploy completions`: prints the script that completes commands and options in a shell.

use clap_complete::Shell;

use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, help};

/// Print a shell completion script
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy completions bash > ~/.local/share/bash-completion/completions/git-deploy
  git deploy completions zsh > ~/.zfunc/_git-deploy")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// The program's name without its hyphen. With the hyphen, clap's Bash script does not complete the
/// options of subcommands (<https://github.com/clap-rs/clap/issues/6421>).
const BASH_NAME: &str = "gitdeploy";

/// The function that git's own Bash completion calls for `git deploy …`. Passes the words after
/// `git` to clap's function.
const BASH_FOR_GIT: &str = r#"
_git_deploy() {
    local COMP_WORDS=(git-deploy "${words[@]:$((__git_cmd_idx + 1))}")
    local COMP_CWORD=$((cword - __git_cmd_idx))
    _gitdeploy git-deploy "$cur" "$prev"
}
"#;

/// Prints the completion script of a shell.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let is_bash = args.shell == Shell::Bash;
    let name = if is_bash { BASH_NAME } else { "git-deploy" };
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::build_command(), name, &mut script);
    let mut script =
        String::from_utf8(script).context(ErrorKind::CannotTell, "the script is not UTF-8")?;
    if is_bash {
        // The registration must name the real program.
        script =
            script.replace(" -o default gitdeploy\n", " -o default git-deploy\n") + BASH_FOR_GIT;
    }
    ui.print(script.trim_end());
    Ok(())
}

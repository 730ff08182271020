//! The `git-deploy` binary: everything it does is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    git_deploy::cli::main()
}

//! The `git-deploy` binary. All of it is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    git_deploy::main()
}

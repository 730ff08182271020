//! The `git-deploy` binary. Its code is in the library, in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    git_deploy::main()
}

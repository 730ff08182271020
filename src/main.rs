//! The `git-deploy` binary.
fn main() {}

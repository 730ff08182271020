//! The sample pipelines of `testdata/pipelines`, run from the first commit to production as their
//! READMEs say: real keys of several people and a machine, a real server with its hooks, and the
//! commands that a user types.

use crate::harness::has_tool;
use crate::transcripts::check;

/// One branch per environment, moved by deployments; every state is planned on every change.
#[test]
fn branch_per_environment() {
    if has_tool("terraform") {
        check("testdata/pipelines/branches/README.md");
    }
}

/// Every commit on main is deployed, and rolled back if it fails.
#[test]
fn every_commit_on_main() {
    check("testdata/pipelines/gitops/README.md");
}

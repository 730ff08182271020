//! The sample pipelines of `testdata/pipelines`, played from the first commit to production as their READMEs say it: real keys of several
//! people and a machine, a real server with its hooks, and the commands that a user types.

use crate::documents::check;
use crate::harness::needs;

/// One branch an environment, moved by what was deployed; every state planned on every change.
#[test]
fn branches() {
    if needs("terraform") {
        check("testdata/pipelines/branches/README.md");
    }
}

/// Every commit on main deployed, and taken back by itself where it fails.
#[test]
fn gitops() {
    check("testdata/pipelines/gitops/README.md");
}

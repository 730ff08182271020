//! The path of one commit to production: the text of `git deploy show`, and the document
//! `git-deploy/show/v1`.

mod report;
mod text;

#[cfg(test)]
mod tests;

pub use report::{
    CommitReport, EnvironmentRow, EvidenceRow, IncludedWith, NextStep, RunRow, RunState,
};
pub use text::render_text;

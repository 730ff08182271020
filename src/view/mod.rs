//! Renders results as text, tables, Markdown and JSON. These are pure functions: the current time
//! and the width are passed in.
//!
//! Text contains colour codes, which the caller may remove. The words must therefore be clear
//! without colours.

pub mod announcement;
pub mod attestation_text;
pub mod audit;
pub mod check;
pub mod commit_count;
pub mod contains;
pub mod deployment_details;
pub mod deployment_diff;
pub mod destroyed;
pub mod good;
pub mod grouping;
pub mod json;
pub mod junit;
pub mod log;
pub mod plan;
pub mod policy;
pub mod policy_changes;
pub mod push;
pub mod reconcile;
pub mod replay;
pub mod result_text;
pub mod server;
pub mod show;
pub mod status;
pub mod symbols;
pub mod table;
pub mod text_diff;
pub mod time;
pub mod undeclared;
pub mod verdict;
pub mod version;
pub mod wrap;

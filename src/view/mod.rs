//! How things look: text tables, marks, moments, JSON. Pure shaping: the present moment and the width are passed in.
//!
//! Text comes with its colours; whoever prints it strips them where none are wanted, so what is said never depends on colour.

pub mod attestation_text;
pub mod audit;
pub mod check;
pub mod contains;
pub mod deployment_diff;
pub mod destroyed;
pub mod good;
pub mod grouping;
pub mod json;
pub mod junit;
pub mod log;
pub mod plan;
pub mod policy;
pub mod push;
pub mod replay;
pub mod result_text;
pub mod server;
pub mod show;
pub mod status;
pub mod symbols;
pub mod table;
pub mod text_diff;
pub mod time;
pub mod verdict;
pub mod wrap;

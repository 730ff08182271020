//! The gates: one pure function from a request and facts to a verdict with reasons. One rule a file.

pub mod facts;

pub use facts::{Chain, CommitFact, Facts, Known, Request, SKEW, SeenFact};

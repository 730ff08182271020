//! What a deployment consists of, worked out from what runs and from the commit, and who is told of it.

pub mod ask;
pub mod compose;
pub mod describe;
pub mod digest;
pub mod junit;
pub mod notify;
pub mod outcome;
pub mod replay;

#[cfg(test)]
mod tests;

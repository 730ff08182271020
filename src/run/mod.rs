//! What a deployment consists of, worked out from what runs and from the commit.

pub mod ask;
pub mod compose;
pub mod describe;
pub mod digest;
pub mod junit;
pub mod outcome;
pub mod replay;

#[cfg(test)]
mod tests;

//! What a deployment consists of, worked out from what runs and from the commit; how it is carried out, and who is told of it.

pub mod ask;
pub mod carry;
pub mod compose;
pub mod crew;
pub mod describe;
pub mod digest;
pub mod graph;
pub mod junit;
pub mod notify;
pub mod outcome;
pub mod process;
pub mod replay;
pub mod schedule;
pub mod site;
pub mod stop;
pub mod surroundings;

#[cfg(test)]
mod tests;

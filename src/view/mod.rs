//! How things look: text tables, marks, moments, JSON. Pure shaping: the present moment and the width are passed in.
//!
//! Text comes with its colours; whoever prints it strips them where none are wanted, so what is said never depends on colour.

pub mod alike;
pub mod audit;
pub mod brings;
pub mod check;
pub mod contains;
pub mod deployed;
pub mod destroyed;
pub mod diff;
pub mod evidence;
pub mod fold;
pub mod good;
pub mod json;
pub mod junit;
pub mod log;
pub mod mark;
pub mod plan;
pub mod policy;
pub mod push;
pub mod replay;
pub mod server;
pub mod show;
pub mod status;
pub mod table;
pub mod time;
pub mod verdict;

//! What somebody tried who had only the design's page of rules and the binary: of 59 tries those that no other test here plays.
//!
//! Some found something, which is mended since; the others were refused then and shall stay so.

mod consent;
mod misleading_text;
mod raw_pushes;
mod unusual_forms;

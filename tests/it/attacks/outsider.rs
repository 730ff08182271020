//! Attempts by an attacker who knew only the published rules and the binary: of 59, those that no
//! other test here covers.
//!
//! Some found faults that are fixed since; the others were refused and must stay so.

mod consent;
mod misleading_text;
mod raw_pushes;
mod unusual_forms;

//! Attacks by an outsider who has read the architecture, the format and the sources.
//!
//! Each test says what stays protected, has an honest control, and lists its attacks by name.

mod adopted_servers;
mod client_surroundings;
mod folders;
mod handed_on;
mod hook_input;
mod hostile_servers;
mod pushed_updates;
mod takeovers;

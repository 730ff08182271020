//! The one integration binary: the program as people, hooks and scripts meet it, with real git and real minisign.
//!
//! A test file is added by its `mod` line here. Snapshots are accepted with `INSTA_UPDATE=always cargo test --test it`.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Many tests are long lists of cases.
#![allow(clippy::too_many_lines)]

mod forgeries;
mod fuzz_corpus;
mod harness;

mod attacks;
mod bad_input;
mod broken_refs;
mod ci_recipes;
mod cli;
mod commit_stories;
mod contains_merges;
mod contains_reverts;
mod corruptions;
mod decisions;
mod deleted_tags;
mod demo;
mod deployment_notes;
mod diff;
mod ending_locks;
mod ephemeral;
mod external_deployments;
mod failed_init;
mod faults;
mod hooks;
mod implied_arguments;
mod independent_audit;
mod inputs;
mod json_output;
mod layering;
mod ledgers;
mod log;
mod man_pages;
mod merge_buttons;
mod missing_emails;
mod mixed_components;
mod mutations;
mod notifications;
mod pipelines;
mod policy_changes;
mod policy_edits;
mod policy_test;
mod promotion_lists;
mod races;
mod read_commands;
mod readme_policy;
mod reconcile;
mod repair;
mod repositories;
mod rollback;
mod rules;
mod run;
mod server;
mod server_adopt;
mod server_check;
mod several_environments;
mod show;
mod show_entry;
mod status;
mod status_attention;
mod success_tags;
mod suggestions;
mod terminal_prompts;
mod terminal_width;
mod terraform_plan;
mod terraform_run;
mod terraform_warnings;
mod transcripts;
mod transports;
mod true_screens;
mod typed_words;
mod undeclared;
mod unmatched_paths;
mod unverified_ledgers;
mod usability;
mod versions;
mod vocabulary;
mod wrapped_command;
mod write_commands;

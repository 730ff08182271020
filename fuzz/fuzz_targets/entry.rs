//! Runs `git_deploy_fuzz::entry` on arbitrary bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| git_deploy_fuzz::entry(data));

//! Runs `git_deploy_fuzz::signature` on arbitrary bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| git_deploy_fuzz::signature(data));

//! Runs `git_deploy_fuzz::policy` on arbitrary bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| git_deploy_fuzz::policy(data));

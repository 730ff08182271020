//! See `git_deploy_fuzz::notes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| git_deploy_fuzz::notes(data));

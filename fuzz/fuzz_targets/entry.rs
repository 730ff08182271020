//! See `git_deploy_fuzz::entry`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| git_deploy_fuzz::entry(data));

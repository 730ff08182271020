//! The policy in README.md is valid.

use git_deploy::testing::domain::id::PublicKey;
use git_deploy::testing::domain::policy::Policy;

/// A newcomer copies the full policy and changes names, so it must be valid as it is.
#[test]
fn the_readme_policy_is_valid() {
    let readme = include_str!("../../README.md");
    let blocks: Vec<&str> = readme
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [policy] = blocks[..] else {
        panic!("{} blocks of TOML in the README", blocks.len())
    };
    let mut text = policy.to_owned();
    for number in 1.. {
        let key = PublicKey::new([number; 8], [number; 32]).to_string();
        let filled = text.replacen("\"RW…\"", &format!("\"{key}\""), 1);
        if filled == text {
            break;
        }
        text = filled;
    }
    if let Err(mistakes) = Policy::parse(&text) {
        panic!("{mistakes}");
    }
}

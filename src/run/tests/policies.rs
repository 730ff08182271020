//! Random policies. All of them parse, and each rule is used by some of them.

use std::fmt::Write as _;

use crate::git::tests::SeededRandom;
use crate::ledger::testing::TestKeys;

/// The people who sign. Alice has the root key, and `ci` is a machine.
pub(super) const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dana", "ci"];

/// Returns a random `deploy.toml`. If `is_first`, it lists all people, and no key is retired.
pub(super) fn random_policy(keys: &TestKeys, dice: &mut SeededRandom, is_first: bool) -> String {
    let mut text = "schema = 1\nproject = \"catalogue\"\n".to_owned();
    // Carol may leave and Dana may change her key: their earlier entries must still be judged by
    // the rules.
    let has_carol = is_first || dice.below(4) > 0;
    let has_retired_key = !is_first && dice.below(2) == 0;
    if dice.below(3) == 0 {
        text.push_str("unowned = \"free\"\n");
    }
    text.push_str("[people]\n");
    for name in PEOPLE {
        let key = keys.public(name);
        match name {
            "carol" if !has_carol => {}
            "dana" if has_retired_key => {
                let new = keys.public("dana-new");
                writeln!(text, "dana = {{ key = \"{new}\", retired = [\"{key}\"], emails = [\"dana@example.com\"] }}")
                    .unwrap();
            }
            _ => {
                let machine = if name == "ci" { ", machine = true" } else { "" };
                writeln!(
                    text,
                    "{name} = {{ key = \"{key}\", emails = [\"{name}@example.com\"]{machine} }}"
                )
                .unwrap();
            }
        }
    }
    text.push_str("[groups]\nrelease = [\"alice\", \"bob\"]\n");
    let admins = *dice.pick(&["", "admins = [\"alice\", \"bob\", \"dana\"]\n"]);
    let approvals = if admins.is_empty() { 0 } else { dice.below(2) };
    writeln!(text, "[policy]\n{admins}approvals = {approvals}").unwrap();
    add_environments(&mut text, dice);
    add_components(&mut text, dice);
    // Without the table `checks`, everyone may attest anything.
    text.push_str(dice.pick::<&str>(&[
        "",
        "[checks]\ntest-result = { by = [\"ci\", \"alice\"] }\nchange-review = { by = [\"release\", \"dana\"] }\n",
    ]));
    text.push_str(dice.pick::<&str>(&["", "[artifacts]\nby = [\"ci\", \"alice\", \"bob\"]\n"]));
    text
}

/// Adds the environments with random rules.
fn add_environments(text: &mut String, dice: &mut SeededRandom) {
    let mut chance =
        |one_in: u64, rule: &'static str| if dice.below(one_in) == 0 { rule } else { "" };
    for (name, before) in [("dev", ""), ("qa", "dev"), ("prod", "qa")] {
        writeln!(text, "[environments.{name}]").unwrap();
        if before.is_empty() {
            text.push_str(chance(
                4,
                "approvals = { required = 1, prevent_self = false }\n",
            ));
        } else {
            writeln!(text, "promote_from = \"{before}\"").unwrap();
            text.push_str(chance(3, "soak = \"1s\"\n"));
            let approvals = chance(2, "approvals = 1\n");
            text.push_str(if approvals.is_empty() {
                chance(3, "approvals = [{ by = \"release\", prevent_self = \"starter\" }, { by = [\"bob\", \"dana\"] }]\n")
            } else {
                approvals
            });
            let checks = chance(4, "checks = [\"test-result\"]\n");
            text.push_str(if checks.is_empty() {
                chance(6, "checks = \"change-review\"\n")
            } else {
                checks
            });
            text.push_str(chance(4, "artifact = \"required\"\n"));
        }
        text.push_str(match name {
            "qa" => chance(
                2,
                "branch = \"qa\"\ndeploy_on = \"approval\"\nup_to_date = true\n",
            ),
            "prod" => chance(2, "branch = \"main\"\n"),
            _ => chance(
                3,
                "branch = \"dev\"\ndeploy_on = \"approval\"\nup_to_date = true\n",
            ),
        });
        text.push_str(chance(4, "deployers = [\"alice\", \"bob\", \"ci\"]\n"));
        text.push_str("exec_by = [\"alice\", \"bob\", \"ci\"]\n");
        text.push_str(chance(4, "rollback_by = [\"release\", \"ci\"]\n"));
        text.push_str(chance(2, "break_glass = { by = [\"bob\", \"dana\"] }\n"));
        text.push_str(chance(
            2,
            "hotfix = { skip = [\"promote_from\", \"soak\"] }\n",
        ));
        text.push_str(chance(4, "stale_after = \"1s\"\n"));
        text.push_str(chance(3, "version = { from = \"file:VERSION\" }\n"));
        text.push_str(chance(
            4,
            "freeze = { start = \"2020-01-01\", end = \"2020-01-02\" }\n",
        ));
    }
    text.push_str("[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n");
    text.push_str(chance(3, "break_glass = { by = \"bob\" }\n"));
}

/// Adds components, or none.
fn add_components(text: &mut String, dice: &mut SeededRandom) {
    if dice.below(3) == 0 {
        return;
    }
    let verify = *dice.pick(&["", "apply = \"true\"\nverify = \"true\"\n"]);
    writeln!(
        text,
        "[components.api]\npaths = [\"api/**\", \"lib/**\"]\n{verify}"
    )
    .unwrap();
    writeln!(text, "[components.web]\npaths = [\"web/**\"]").unwrap();
}

//! Random policies: every rule is there in some of them, and all of them parse.

use std::fmt::Write as _;

use crate::git::tests::Numbers;
use crate::ledger::testing::TestKeys;

/// Everybody who ever signs. Alice has the root key; `ci` is a machine.
pub(super) const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dana", "ci"];

/// A `deploy.toml`. With `tame`, nobody is missing and no key is retired.
pub(super) fn policy(keys: &TestKeys, dice: &mut Numbers, tame: bool) -> String {
    let mut text = "schema = 1\nproject = \"catalogue\"\n".to_owned();
    // Carol may leave, Dana may change her key: what they signed must still be judged as the rules say.
    let carol = tame || dice.below(4) > 0;
    let retired = !tame && dice.below(2) == 0;
    if dice.below(3) == 0 {
        text.push_str("unowned = \"free\"\n");
    }
    text.push_str("[people]\n");
    for name in PEOPLE {
        let key = keys.public(name);
        match name {
            "carol" if !carol => {}
            "dana" if retired => {
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
    let more = if admins.is_empty() { 0 } else { dice.below(2) };
    writeln!(text, "[policy]\n{admins}approvals = {more}").unwrap();
    environments(&mut text, dice);
    components(&mut text, dice);
    // With no table of checks anybody vouches for anything.
    text.push_str(dice.pick::<&str>(&[
        "",
        "[checks]\ntest-result = { by = [\"ci\", \"alice\"] }\nchange-review = { by = [\"release\", \"dana\"] }\n",
    ]));
    text.push_str(dice.pick::<&str>(&["", "[artifacts]\nby = [\"ci\", \"alice\", \"bob\"]\n"]));
    text
}

fn environments(text: &mut String, dice: &mut Numbers) {
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
            let seats = chance(2, "approvals = 1\n");
            text.push_str(if seats.is_empty() {
                chance(3, "approvals = [{ by = \"release\", prevent_self = false }, { by = [\"bob\", \"dana\"] }]\n")
            } else {
                seats
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

fn components(text: &mut String, dice: &mut Numbers) {
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

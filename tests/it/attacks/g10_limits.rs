//! Group 10: false dates of entries and commits, and pushes that are larger than the server reads.

use git_deploy::testing::domain::id::CommitId;
use git_deploy::testing::domain::time::Span;

use crate::harness::attack::an_entry;
use crate::harness::forgery::hex;
use crate::harness::member::a_lock;
use crate::harness::{AttackRunner, Project, RawPush, Run, World};

const POLICY: &str = r#"[environments]
dev = {}
late = { freeze = [{ start = "Thu 10:20", end = "Thu 12:00", reason = "market" }] }
soaked = { promote_from = "dev", soak = "1h" }
[components]
api = { paths = "**/*.rs" }
"#;

/// False dates evade no freeze, soak or expiry, and hide nothing from a search of the history.
#[test]
fn dates_evade_no_rule() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, ci) = (&project.alice, &project.ci);
    project.push("api/x.rs", "one\n");
    ci.deploy(&["record", "dev", "--verification", "passed"])
        .ok();
    ci.deploy(&["sync"]).ok();
    let deployment = super::forged_entries::a_deployment(ci, "dev");
    let at = |ledger: &str, shift: i64| {
        ci.build(ledger, deployment.clone(), None, |it| {
            let span = Span::from_seconds(shift.unsigned_abs());
            it.at = if shift < 0 {
                it.at.minus(span)
            } else {
                it.at.plus(span)
            };
            let git_deploy::testing::domain::entry::Action::Record(record) = &mut it.action else {
                panic!("not a record")
            };
            record
                .deployment
                .components
                .iter_mut()
                .for_each(|change| change.from = None);
        })
    };
    let attacks = AttackRunner::of(&project);
    world.advance("63m");
    attacks.refused_entry(
        "a soak that the signer's clock has seen the end of",
        &["soak"],
        ci,
        "soaked",
        &at("soaked", 240),
    );
    attacks.refused_entry("in a freeze", &["freeze"], ci, "late", &at("late", 0));
    world.advance("53m");
    attacks.refused_entry(
        "after a freeze, by the signer's clock",
        &["freeze"],
        ci,
        "late",
        &at("late", 290),
    );
    for shift in [-301_i64, -3600, 301, 3600, 86_400 * 365] {
        attacks.refused_entry(&format!("{shift} s off"), &["time"], ci, "dev", &{
            ci.build("dev", a_lock(), None, |it| {
                let span = Span::from_seconds(shift.unsigned_abs());
                it.at = if shift < 0 {
                    it.at.minus(span)
                } else {
                    it.at.plus(span)
                };
            })
        });
    }
    let early = ci.build("dev", a_lock(), None, |it| {
        it.at = it.at.minus(Span::from_seconds(7000));
    });
    attacks.refused_entry("before the entry before it", &["time"], ci, "dev", &early);
    world.advance("10m");
    // Before a freeze by the signer's clock: at 12:06 nothing is frozen, a week later at 10:21 all is.
    world.advance("166h");
    world.advance("15m");
    attacks.refused_entry(
        "before a freeze, by the signer's clock",
        &["freeze"],
        ci,
        "late",
        &at("late", -120),
    );
    // Code that is dated in the future would hide what was said of it; in the past it hides nothing.
    let dated = |date: &str| {
        let mut command = alice.repo.command("git");
        command
            .env("GIT_COMMITTER_DATE", date)
            .env("GIT_AUTHOR_DATE", date);
        let tree = alice.repo.rev("HEAD^{tree}");
        let id = Run::of(
            &world,
            command.args(["commit-tree", "-m", date, "-p", "HEAD", &tree]),
        )
        .ok()
        .text();
        alice.push(&[&format!("+{id}:refs/heads/dated")]).ok();
        ci.repo.git(&["fetch", "-q"]).ok();
        CommitId(id.parse().unwrap())
    };
    let now = world.now().as_seconds();
    for date in [now + 301, now + 86_400, 4_102_444_800] {
        let id = dated(&format!("@{date} +0000"));
        attacks.refused(&format!("a commit of {date}"), &["time"], || {
            ci.deploy(&["record", "dev", &id.to_string(), "--all", "--no-verify"])
        });
        attacks.refused(
            &format!("an approval of a commit of {date}"),
            &["time"],
            || ci.deploy(&["yank", &id.to_string(), "-m", "x", "--no-verify"]),
        );
    }
    for date in ["@0 +0000", "@1 +1400", "@1000000000 -1200"] {
        let id = dated(date);
        ci.deploy(&["record", "dev", &id.to_string(), "--all"]).ok();
    }
    attacks.finish();
}

/// Oversized input is answered with "cannot tell", quickly, and nothing is accepted.
#[test]
fn oversized_entries_are_refused_quickly() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (alice, ci) = (&project.alice, &project.ci);
    let good = an_entry(ci, "dev");
    let attacks = AttackRunner::of(&project);
    let push = |id: &str| ci.push(&[&format!("+{id}:refs/deploy/dev")]);
    let entry = |attack: &str, edit: &dyn Fn(&str) -> String| {
        let id = ci.resigned(&good, |text| edit(text).into_bytes());
        attacks.refused(attack, &["chain"], || push(&id));
    };
    entry("an entry that is too long", &|text| {
        text.replace("incident", &"x".repeat(600_000))
    });
    entry("an entry of spaces", &|text| {
        format!("{}{text}", " ".repeat(20_000_000))
    });
    // Of git's own bomb only the beginning is looked at: 150 MB of zeros are 150 kB in a pack.
    let bomb = ci.object("blob", &vec![0; 150 << 20]);
    let bombed = ci.retree(
        &good,
        &[&["--cacheinfo", &format!("100644,{bomb},entry.json")]],
    );
    attacks.refused("an entry that unpacks to 150 MB", &["chain"], || {
        push(&bombed)
    });
    let bombed = ci.retree(
        &good,
        &[&["--cacheinfo", &format!("100644,{bomb},entry.json.minisig")]],
    );
    attacks.refused("a signature that unpacks to 150 MB", &["chain"], || {
        push(&bombed)
    });
    // Numbers at the end of what there is.
    for number in [10_002, u64::from(u32::MAX), u64::MAX] {
        let id = ci.build("dev", a_lock(), None, |it| it.sequence = number);
        let said = attacks.fails(&format!("entry {number}"), || push(&id.to_string()));
        assert!(
            said.contains("cannot tell whether this push may go in"),
            "{said}"
        );
    }
    let number = ci.resigned(&good, |text| {
        text.replace("\"sequence\": 1", "\"sequence\": 18446744073709551616")
            .into()
    });
    attacks.refused("entry 2^64", &["chain"], || push(&number));
    // A policy that is longer than any.
    alice.deploy(&["sync"]).ok();
    let text = project.policy(POLICY) + "# " + &"x".repeat(1 << 20);
    let long = super::forged_entries::publish(alice, &text);
    attacks.refused("a policy that is too long", &["chain"], || {
        alice.push(&[&format!("{long}:refs/deploy/policy")])
    });
    attacks.finish();
}

/// Trees that share objects hold more paths than can be listed, in a few hundred bytes.
#[test]
fn tree_bombs_are_refused() {
    let world = World::new();
    let bound = "[environments]\ndev = {}\nqa = { branch = \"qa\", deploy_on = \"approval\" }\n[components]\napi = { paths = \"**/*.rs\" }\nweb = { paths = [\"web/**\", \"**/*.js\"] }\n";
    let project = Project::new(&world, bound);
    let (alice, ci) = (&project.alice, &project.ci);
    let blob = alice.object("blob", b"x");
    let folder = |of: &str, mode: &str, width: usize| {
        let entries = (0..width)
            .flat_map(|at| [format!("{mode} {at:02}.rs\0").as_bytes(), &hex(of)].concat());
        alice.object("tree", &entries.collect::<Vec<u8>>())
    };
    let deep = |width: usize, depth: usize| {
        (0..depth).fold(folder(&blob, "100644", width), |below, _| {
            folder(&below, "40000", width)
        })
    };
    let attacks = AttackRunner::of(&project);
    for (what, tree) in [
        ("wide", deep(30, 12)),
        ("deep", deep(1, 300)),
        ("wide and deep", deep(2, 250)),
    ] {
        let head = alice.repo.rev("HEAD");
        let id = alice
            .repo
            .git(&["commit-tree", "-m", what, "-p", &head, &tree])
            .ok()
            .text();
        // git itself would walk every path of it to send it, so it is sent by hand.
        attacks.cannot_tell(&format!("a {what} tree on a branch"), &["branch"], || {
            alice.push(&[&format!("{id}:refs/heads/qa")])
        });
        let zero = "0".repeat(40);
        RawPush::new(&alice.repo)
            .update(
                &zero,
                &id,
                &format!("refs/heads/{}", what.replace(' ', "-")),
            )
            .send(&project.server);
        ci.repo.git(&["fetch", "-q"]).ok();
        let forged = ci.build("dev", ci.a_record(&id, None), None, |it| {
            let git_deploy::testing::domain::entry::Action::Record(record) = &mut it.action else {
                panic!("not a record")
            };
            record.deployment.components[0].target.component = "api".parse().unwrap();
            record.results[0].component = "api".parse().unwrap();
        });
        attacks.cannot_tell(&format!("a {what} tree deployed"), &["content"], || {
            ci.push(&[&format!("{forged}:refs/deploy/dev")])
        });
    }
    attacks.finish();
}

/// One of our refs among very many others is enough to refuse a push, and the number of our refs is
/// limited.
#[test]
fn pushes_of_many_refs_are_bounded() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let ci = &project.ci;
    let (zero, head) = ("0".repeat(40), ci.repo.rev("HEAD"));
    let attacks = AttackRunner::of(&project);
    let many = |count: usize, name: &dyn Fn(usize) -> String| {
        let lines = (1..count).map(|at| format!("{zero} {head} {}", name(at)));
        lines.fold(
            RawPush::new(&ci.repo).update(&zero, &head, &name(0)),
            |wire, line| wire.line(line.as_bytes()),
        )
    };
    let hidden = |at: usize| {
        if at == 54_321 {
            "refs/deploy/nowhere".to_owned()
        } else {
            format!("refs/x/{}/{at}", at % 100)
        }
    };
    attacks.refused_raw(
        "a ledger among 100,000 refs",
        &["chain"],
        &many(100_000, &hidden),
    );
    let said = attacks.fails_raw(
        "20,000 ledgers",
        &many(20_000, &|at| format!("refs/deploy/n{at}")),
    );
    assert!(
        said.contains("cannot tell whether this push may go in")
            && said.contains("more than 10000"),
        "{}",
        &said[said.len() - 500..]
    );
    // The same again and again is no less.
    attacks.fails_raw(
        "20,000 times the same",
        &many(20_000, &|_| "refs/deploy/dev".to_owned()),
    );
    attacks.finish();
}

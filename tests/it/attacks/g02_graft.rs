//! Group 2: code as first parent and the ledger as second, merged ledgers, and a forged history
//! under the tip.

use git_deploy::testing::domain::entry::Action;

use crate::harness::attack::an_entry;
use crate::harness::member::a_lock;
use crate::harness::{AttackRunner, Project, RawPush, World};

/// A ledger cannot be attached to other history, nor other history to a ledger.
#[test]
fn other_parents_are_refused() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\nqa = {}\n");
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    ci.deploy(&["record", "qa"]).ok();
    let fork = an_entry(ci, "dev");
    world.advance("1m");
    ci.deploy(&["record", "dev", "--all"]).ok();
    let rev = |name: &str| ci.repo.rev(name);
    let (tip, before, genesis) = (
        rev("refs/deploy/dev"),
        rev("refs/deploy/dev~1"),
        rev("refs/deploy/dev~2"),
    );
    let (qa, policy, head) = (
        rev("refs/deploy/qa"),
        rev("refs/deploy/policy"),
        rev("HEAD"),
    );
    let next = ci
        .build("dev", ci.a_record("HEAD", Some("HEAD")), None, |_| ())
        .to_string();
    let attacks = AttackRunner::of(&project);
    let parents = |parents: &[&String]| {
        let lines: Vec<String> = parents.iter().map(|id| format!("parent {id}\n")).collect();
        ci.recommit(&next, |raw| {
            raw.replacen(
                &format!("parent {tip}\nparent {head}\n"),
                &lines.concat(),
                1,
            )
        })
    };
    let wrong: [(&str, &[&String]); 15] = [
        ("the code first", &[&head, &tip]),
        ("the code alone", &[&head]),
        ("the ledger alone", &[&tip]),
        ("none", &[]),
        ("a merge of a fork", &[&tip, &fork]),
        ("a fork, merged with the tip", &[&fork, &tip]),
        ("a merge of two ledgers", &[&tip, &head, &qa]),
        ("another ledger first", &[&qa, &tip, &head]),
        ("the policy first", &[&policy, &head]),
        ("the one before", &[&before, &head]),
        ("the genesis", &[&genesis, &head]),
        ("the tip twice", &[&tip, &tip, &head]),
        ("the code twice", &[&tip, &head, &head]),
        ("the tip last", &[&head, &head, &tip]),
        ("the one before as well", &[&tip, &before, &head]),
    ];
    for (attack, ids) in wrong {
        attacks.refused_entry(attack, &["chain"], ci, "dev", &parents(ids));
    }
    // A merge as git makes it, and an octopus of all there is.
    for others in [vec![&fork], vec![&qa, &policy], vec![&head]] {
        let mut arguments = vec!["commit-tree", "-m", "Merge", "-p", &tip];
        arguments.extend(others.iter().flat_map(|id| ["-p", id.as_str()]));
        let tree = format!("{tip}^{{tree}}");
        arguments.push(&tree);
        let merge = ci.repo.git(&arguments).ok().text();
        attacks.refused_entry("a merge that git makes", &["chain"], ci, "dev", &merge);
    }
    // An honest entry on top changes nothing: the walk goes along first parents, and does not arrive.
    for between in [
        parents(&[&tip, &fork]),
        parents(&[&fork, &tip]),
        parents(&[&head, &tip]),
    ] {
        attacks.refused_entry(
            "an entry on a merge",
            &["chain"],
            ci,
            "dev",
            &ci.replant(&next, &between),
        );
    }
    attacks.finish();
}

/// A rewritten history is refused, even if the same people signed it.
#[test]
fn another_history_is_refused() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\nqa = {}\n");
    let ci = &project.ci;
    let genesis = ci.build("dev", a_lock(), None, |_| ()).to_string() + "~1";
    let forged = ci
        .build("dev", a_lock(), None, |it| {
            it.action = ci.a_record("HEAD", None);
        })
        .to_string();
    ci.append("dev", ci.a_record("HEAD", None), None, |_| ());
    let second = ci
        .append("dev", ci.a_record("HEAD", Some("HEAD")), None, |_| ())
        .to_string();
    ci.push(&["refs/deploy/dev"]).ok();
    let third = an_entry(ci, "dev");
    let tip = ci.repo.rev("refs/deploy/dev");
    let attacks = AttackRunner::of(&project);
    attacks.refused_entry("a shorter past", &["chain"], ci, "dev", &forged);
    // Longer than the true one, each entry signed for its place in it.
    ci.repo
        .git(&["update-ref", "refs/deploy/dev", &forged])
        .ok();
    for _ in 0..3 {
        ci.append("dev", ci.a_record("HEAD", Some("HEAD")), None, |_| ());
    }
    attacks.refused_entry(
        "a longer past",
        &["chain"],
        ci,
        "dev",
        &ci.repo.rev("refs/deploy/dev"),
    );
    ci.repo.git(&["update-ref", "refs/deploy/dev", &tip]).ok();
    attacks.refused_entry(
        "the second entry on it",
        &["chain"],
        ci,
        "dev",
        &ci.replant(&second, &forged),
    );
    attacks.refused_entry(
        "the honest next entry on it",
        &["chain"],
        ci,
        "dev",
        &ci.replant(&third, &ci.replant(&second, &forged)),
    );
    // A genesis of one's own, or none.
    for root in [format!("{genesis}^{{tree}}"), "HEAD^{tree}".to_owned()] {
        let root = ci
            .repo
            .git(&[
                "commit-tree",
                "-m",
                "git-deploy ledger dev",
                &ci.repo.rev(&root),
            ])
            .ok()
            .text();
        for (ledger, id) in [
            ("dev", &third),
            ("dev", &forged),
            ("qa", &an_entry(ci, "qa")),
        ] {
            attacks.refused_entry(
                "another genesis",
                &["chain"],
                ci,
                ledger,
                &ci.replant(id, &root),
            );
        }
        attacks.refused_entry("a genesis alone", &["chain"], ci, "qa", &root);
        attacks.refused_entry(
            "a genesis alone, for one that is there",
            &["chain"],
            ci,
            "dev",
            &root,
        );
    }
    // What another ledger would begin with.
    let qa = an_entry(ci, "qa");
    attacks.refused_entry(
        "the genesis of another ledger",
        &["chain"],
        ci,
        "qa",
        &ci.replant(&qa, &ci.repo.rev(&genesis)),
    );
    attacks.refused_entry(
        "its own genesis and no entry",
        &["chain"],
        ci,
        "qa",
        &ci.repo.rev(&format!("{qa}~1")),
    );
    attacks.finish();
}

/// Replaced objects and shallow lines do not change which history is judged.
#[test]
fn replaced_and_shallow_parents_are_ignored() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\ndev = {}\n");
    let ci = &project.ci;
    ci.deploy(&["record", "dev"]).ok();
    let fork = an_entry(ci, "dev");
    world.advance("1m");
    ci.deploy(&["record", "dev", "--all"]).ok();
    let tip = ci.repo.rev("refs/deploy/dev");
    let forged = ci.replant(&an_entry(ci, "dev"), &fork);
    let attacks = AttackRunner::of(&project);
    let replace = format!("refs/replace/{fork}");
    attacks.refused("a replaced commit", &["chain"], || {
        ci.push(&[&format!("{tip}:{replace}")])
    });
    attacks.refused("and what is then behind it", &["chain"], || {
        ci.push(&[
            &format!("{tip}:{replace}"),
            &format!("+{forged}:refs/deploy/dev"),
        ])
    });
    // In the pusher's own clone anything may be replaced.
    ci.repo.git(&["replace", &fork, &tip]).ok();
    attacks.refused_entry("replaced at home", &["chain"], ci, "dev", &forged);
    ci.repo.git(&["replace", "-d", &fork]).ok();
    std::fs::write(
        ci.repo.path().join(".git/info/grafts"),
        format!("{forged} {tip}\n"),
    )
    .unwrap();
    attacks.fails("grafted at home", || {
        ci.push(&[&format!("+{forged}:refs/deploy/dev")])
    });
    std::fs::remove_file(ci.repo.path().join(".git/info/grafts")).unwrap();
    // The server is told that history ends here.
    let shallow = |id: &str| RawPush::new(&ci.repo).line(format!("shallow {id}").as_bytes());
    for end in [&forged, &fork, &tip] {
        attacks.refused_raw(
            "an end of history",
            &["chain"],
            &shallow(end).update(&tip, &forged, "refs/deploy/dev"),
        );
    }
    // Even where the owner lets shallow clones push: a root that only seems one is none.
    project
        .server
        .git(&["config", "receive.shallowUpdate", "true"])
        .ok();
    for end in [&forged, &fork, &tip] {
        attacks.refused_raw(
            "an allowed end of history",
            &["chain"],
            &shallow(end).update(&tip, &forged, "refs/deploy/dev"),
        );
    }
    project
        .server
        .git(&["config", "--unset", "receive.shallowUpdate"])
        .ok();
    // An entry that leaves the ledger's own history out.
    let bent = ci.build("dev", a_lock(), None, |it| {
        if let Action::Lock(lock) = &mut it.action {
            lock.reason = "x".parse().unwrap();
        }
        it.previous = git_deploy::testing::domain::id::EntryId(fork.parse().unwrap());
    });
    attacks.refused_entry("signed for the fork", &["chain"], ci, "dev", &bent);
    attacks.finish();
}

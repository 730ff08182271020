//! Pushes that git would never send: the same ref twice, shallow histories, and clients that stop
//! half-way.

use std::process::Child;

use git_deploy::testing::domain::entry::Action;

use crate::harness::attack::a_build;
use crate::harness::{AttackRunner, Member, Project, RawPush, World, wait_until_idle};

const POLICY: &str = r#"[environments]
dev = {}
qa = { branch = "main", deploy_on = "approval", approvals = { required = 1, by = ["bob", "carol"] } }
"#;

/// Makes two consecutive entries and a third beside the first, none of which the server has;
/// returns them after the tip that they follow.
fn entries(ci: &Member<'_>) -> [String; 4] {
    ci.deploy(&["sync"]).ok();
    let tip = ci.repo.rev("refs/deploy/evidence");
    let main = ci.repo.rev("HEAD");
    let other = ci.build("evidence", a_build(ci, &main), None, |it| {
        it.at = it
            .at
            .plus(git_deploy::testing::domain::time::Span::from_seconds(1));
    });
    let one = ci.append("evidence", a_build(ci, &main), None, |_| ());
    let two = ci.build("evidence", a_build(ci, &main), None, |_| ());
    ci.repo
        .git(&["update-ref", "refs/deploy/evidence", &tip])
        .ok();
    [tip, one.to_string(), two.to_string(), other.to_string()]
}

/// Of several updates of one ref in a push, and of updates that change nothing or name a false old
/// id, at most one is accepted, as it was judged.
#[test]
fn repeated_and_false_updates_are_refused() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (server, ci) = (&project.server, &project.ci);
    for _ in 0..3 {
        world.advance("1m");
        ci.deploy(&["attest", "test-result", "--result", "passed"])
            .ok();
    }
    let [tip, one, two, other] = entries(ci);
    let (zero, before) = ("0".repeat(40), server.rev("refs/deploy/evidence~1"));
    let attacks = AttackRunner::of(&project);
    for features in ["report-status", "report-status atomic"] {
        let wire = |updates: &[(&str, &str)]| {
            let wire = RawPush::new(&ci.repo).with(features);
            updates.iter().fold(wire, |wire, (old, new)| {
                wire.update(old, new, "refs/deploy/evidence")
            })
        };
        for (attack, updates) in [
            (
                "an update and a deletion",
                &[(&*tip, &*one), (&*tip, &*zero)][..],
            ),
            (
                "a deletion and a creation",
                &[(&*tip, &*zero), (&*zero, &*one)],
            ),
            ("a rewind beside it", &[(&*tip, &*one), (&*tip, &*before)]),
        ] {
            let said = attacks.fails_raw(attack, &wire(updates));
            assert!(!said.contains("ok refs/"), "{attack}: {said}");
        }
        for (attack, updates) in [
            ("what already exists", &[(&*tip, &*tip)][..]),
            ("from where the ledger was", &[(&*before, &*tip)]),
            ("a rewind that says to create", &[(&*zero, &*before)]),
            ("a rewind that says to go on", &[(&*before, &*before)]),
        ] {
            attacks.refused_raw(attack, &["chain"], &wire(updates));
        }
    }
    // Where each by itself would go in, all together do not, and one by one the first does: the others then meet another ledger.
    let doubles = |[tip, one, two, other]: &[String; 4]| {
        let pairs = [[one, one], [one, two], [one, other]];
        pairs.map(|news| {
            let wire = RawPush::new(&ci.repo);
            news.iter().fold(wire, |wire, new| {
                wire.update(tip, new, "refs/deploy/evidence")
            })
        })
    };
    let refs = project.refs();
    for wire in doubles(&[tip, one, two, other]) {
        let said = wire.with("report-status atomic").send(server);
        assert!(
            !said.contains("ok refs/") && project.refs() == refs,
            "{said}"
        );
    }
    for at in 0..3 {
        world.advance("1m");
        let new = entries(ci);
        let said = doubles(&new)[at].send(server);
        assert_eq!(server.rev("refs/deploy/evidence"), new[1], "{said}");
        assert!(
            said.contains("ng refs/deploy/evidence refused: chain: the ledger has moved"),
            "{said}"
        );
    }
    attacks.finish();
}

/// A pusher who declares a commit shallow hides neither a rewind nor an author.
#[test]
fn shallow_lines_hide_no_history() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (server, alice, bob, carol, ci) = (
        &project.server,
        &project.alice,
        &project.bob,
        &project.carol,
        &project.ci,
    );
    carol.deploy(&["approve", "qa"]).ok();
    ci.deploy(&["record", "qa"]).ok();
    let running = server.rev("refs/heads/main");
    bob.repo.commit("api/x", "by bob\n", "By bob");
    alice
        .repo
        .git(&["fetch", "-q", &bob.repo.url(), "HEAD"])
        .ok();
    alice
        .repo
        .git(&["reset", "-q", "--hard", "FETCH_HEAD"])
        .ok();
    let tip = alice.repo.commit("web/x", "by alice\n", "By alice");
    alice.push(&["HEAD:refs/heads/topic"]).ok();
    project.fetch();
    for member in [bob, carol, ci] {
        member
            .repo
            .git(&["reset", "-q", "--hard", "origin/topic"])
            .ok();
    }
    bob.deploy(&["approve", "qa", "--anyway"]).ok();
    ci.deploy(&["sync"]).ok();
    let ledger = server.rev("refs/deploy/qa");
    let record = ci.build("qa", ci.a_record("HEAD", Some(&running)), None, |it| {
        let Action::Record(record) = &mut it.action else {
            panic!("not a record")
        };
        record.deployment.approved_by = vec!["bob".parse().unwrap()];
    });
    let attacks = AttackRunner::of(&project);
    let tree = alice.repo.rev("HEAD^{tree}");
    let ghost = "ab".repeat(20);
    let raw = format!(
        "tree {tree}\nparent {ghost}\nauthor a <a@x> 1 +0000\ncommitter a <a@x> 1 +0000\n\nx\n"
    );
    let orphan = alice
        .repo
        .git(&["commit-tree", "-m", "x", &tree])
        .ok()
        .text();
    let headless = alice.object("commit", raw.as_bytes());
    for allowed in ["false", "true"] {
        server
            .git(&["config", "receive.shallowUpdate", allowed])
            .ok();
        for cut in [&tip, &running, &orphan] {
            let wire = || RawPush::new(&alice.repo).line(format!("shallow {cut}").as_bytes());
            attacks.fails_raw(
                "a branch to an orphan",
                &wire().update(&running, &orphan, "refs/heads/main"),
            );
            attacks.fails_raw(
                "a branch to what is not approved",
                &wire().update(&running, &tip, "refs/heads/main"),
            );
            attacks.fails_raw(
                "a branch that goes away",
                &wire().update(&running, &"0".repeat(40), "refs/heads/main"),
            );
            attacks.fails_raw(
                "a ledger to an orphan",
                &wire().update(&ledger, &orphan, "refs/deploy/qa"),
            );
            let wire = RawPush::new(&ci.repo).line(format!("shallow {cut}").as_bytes());
            let wire = wire.update(&ledger, &record.to_string(), "refs/deploy/qa");
            match cut {
                _ if *cut == orphan => attacks.fails_raw("its author approved it", &wire),
                // Where git believes it, nobody can tell who wrote what is not there.
                _ if *cut == tip && allowed == "true" => attacks.cannot_tell_raw(
                    "its author approved it",
                    &["approvals", "fast-forward"],
                    &wire,
                ),
                _ => attacks.refused_raw("its author approved it", &["approvals"], &wire),
            };
        }
        // It cuts its own parent off, which nobody has.
        let wire = RawPush::new(&alice.repo)
            .alone()
            .line(format!("shallow {headless}").as_bytes());
        let said = attacks.fails_raw(
            "a commit without its parent",
            &wire.update(&running, &headless, "refs/heads/main"),
        );
        assert!(
            said.contains("unpack ok") && said.contains("ng refs/heads/main"),
            "{said}"
        );
    }
    attacks.finish();
}

/// Git moves ledgers before the other refs of a push and does not tell `proc-receive` about those.
/// If a later one fails, an entry of an atomic push is in although the pusher is told of a
/// rejection: nothing false is in, and a second push finds it there. Our client pushes ledgers
/// separately.
#[test]
fn atomic_pushes_with_other_refs() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (server, ci) = (&project.server, &project.ci);
    let main = ci.repo.rev("HEAD");
    let local = "#!/bin/sh\ncase $1 in refs/heads/no*) exit 1;; esac\n";
    server.hook("update", local);
    let attacks = AttackRunner::of(&project);
    for branch in ["refs/heads/main/x", "refs/heads/no"] {
        world.advance("1m");
        ci.deploy(&["sync"]).ok();
        let entry = ci
            .build("evidence", a_build(ci, &main), None, |_| ())
            .to_string();
        let refspecs = [
            &*format!("{entry}:refs/deploy/evidence"),
            &*format!("HEAD:{branch}"),
        ];
        let push = ci.push(&[&["--atomic"][..], &refspecs].concat()).fails(1);
        assert_eq!(server.rev("refs/deploy/evidence"), entry, "{push}");
        server
            .git(&["rev-parse", "--verify", "-q", branch])
            .fails(1);
        ci.push(&[refspecs[0]]).ok();
        // The other way round nothing goes in: what a ledger's rules refuse is known before anything moves.
        ci.deploy(&["sync"]).ok();
        let early = ci
            .build("evidence", a_build(ci, &main), None, |it| it.sequence += 7)
            .to_string();
        attacks.refused("an entry that is refused", &["chain"], || {
            ci.push(&[
                "--atomic",
                &format!("+{early}:refs/deploy/evidence"),
                "HEAD:refs/heads/beside",
            ])
        });
    }
    std::fs::remove_file(server.path().join("hooks/update")).unwrap();
    attacks.finish();
}

/// While a client neither reads nor sends, others can write, and after it has gone nothing is left
/// behind.
#[test]
fn stalled_clients_block_nobody() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (server, alice, ci) = (&project.server, &project.alice, &project.ci);
    ci.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    let (zero, main) = ("0".repeat(40), ci.repo.rev("HEAD"));
    let attacks = AttackRunner::of(&project);
    let everything = usize::MAX;
    for (what, length) in [
        ("refused", everything),
        ("accepted", everything),
        ("half a pack", 300_000),
        ("half an update", 90),
    ] {
        let [tip, one, ..] = entries(ci);
        // More answers than a pipe holds.
        let wire = RawPush::new(&ci.repo).with("report-status side-band-64k");
        let wire = match what {
            "refused" => (0..800).fold(wire, |wire, at| {
                wire.line(format!("{zero} {main} refs/deploy/{}{at}", "x".repeat(150)).as_bytes())
            }),
            "accepted" => (0..1_500).fold(wire, |wire, _| {
                wire.line(format!("{tip} {one} refs/deploy/evidence").as_bytes())
            }),
            _ => wire.update(&zero, &noise(ci), "refs/heads/noise"),
        };
        let mut child = wire.objects(&one).stall(server, length);
        wait_until_idle(server);
        world.advance("1m");
        ci.deploy(&["sync"]).ok();
        ci.deploy(&["attest", "test-result", "--result", "failed"])
            .ok();
        alice
            .push(&[&format!("HEAD:refs/heads/{}", what.replace(' ', "-"))])
            .ok();
        assert!(
            child.try_wait().unwrap().is_none(),
            "{what}: the others had to wait for its end"
        );
        gone(child);
        // The folder that git keeps such objects in may stay until it tidies up; nothing that stops anybody does.
        let left = walkdir::WalkDir::new(server.path())
            .into_iter()
            .map(|it| it.unwrap().into_path());
        let left = left.filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name != "git-deploy.lock"
                && (name.ends_with(".lock") || name.starts_with("git-deploy-objects-"))
        });
        assert_eq!(
            left.collect::<Vec<_>>(),
            Vec::<std::path::PathBuf>::new(),
            "{what}"
        );
    }
    attacks.finish();
}

/// Closes the connection.
fn gone(mut child: Child) {
    drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
    child.wait().unwrap();
}

/// Makes a commit of a file that does not compress.
fn noise(member: &Member<'_>) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    let blob = member.object("blob", &bytes.take(1_000_000).collect::<Vec<u8>>());
    let tree = member.object(
        "tree",
        &[b"100644 noise\0", &crate::harness::forgery::hex(&blob)[..]].concat(),
    );
    member
        .repo
        .git(&["commit-tree", "-m", "noise", &tree])
        .ok()
        .text()
}

/// Names that a file system or a reader takes for a bound ref's are refused, and so are pushes of
/// thousands of bound refs.
#[test]
fn similar_names_of_bound_refs_are_refused() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nprod = {}\n");
    project.publish("[environments.prod]\nbranch = \"release\"\ntag = \"rel-{timestamp}.{env}\"\n");
    let ci = &project.ci;
    let (zero, head) = ("0".repeat(40), ci.repo.rev("HEAD"));
    let attacks = AttackRunner::of(&project);
    for (rule, name) in [
        ("branch", "refs/heads/relea\u{17f}e"),
        ("branch", "refs/heads/RELEASE"),
        ("branch", "refs/heads/Relea\u{17f}E"),
        ("branch", "refs/HEADS/release"),
        ("tag", "refs/tags/REL-20260305T100000Z.prod"),
        ("tag", "refs/tags/rel-20260305T100000Z.PROD"),
        ("tag", "refs/tags/rel-20260305T100000Z.prod"),
        ("chain", "refs/heads/DEPLOY/prod"),
        ("chain", "refs/tags/deploy/x/y"),
        ("chain", "refs/Replace/x"),
        ("chain", "refs/deploy/prod/HEAD"),
        ("chain", "refs/deploy/@"),
    ] {
        attacks.refused_raw(
            name,
            &[rule],
            &RawPush::new(&ci.repo).update(&zero, &head, name),
        );
    }
    // Git itself takes none of these.
    for name in [
        "HEAD",
        "deploy/prod",
        "refs/deploy/",
        "refs/tags/rel-20260305T100000Z.prod^{}",
        "refs/namespaces/x/refs/deploy/..",
        "FETCH_HEAD",
        "config",
    ] {
        attacks.fails_raw(name, &RawPush::new(&ci.repo).update(&zero, &head, name));
    }
    // As the server of another repository's refs within this one: names then mean other refs than they say.
    for name in ["refs/deploy/prod", "refs/heads/release"] {
        attacks.fails(&format!("{name} of a namespace"), || {
            let mut command = ci.repo.command("git");
            let command = command.env("GIT_NAMESPACE", "x").args([
                "push",
                "-q",
                "origin",
                &format!("HEAD:{name}"),
            ]);
            crate::harness::Run::of(&world, command)
        });
    }
    let many = |count: usize, name: &dyn Fn(usize) -> String| {
        let wire = RawPush::new(&ci.repo).update(&zero, &head, &name(0));
        (1..count).fold(wire, |wire, at| {
            wire.line(format!("{zero} {head} {}", name(at)).as_bytes())
        })
    };
    let said = attacks.fails_raw(
        "tags",
        &many(10_001, &|at| {
            format!("refs/tags/rel-20260305T{at:06}Z.prod")
        }),
    );
    assert!(
        said.contains("cannot tell whether this push may go in"),
        "{}",
        &said[said.len() - 300..]
    );
    attacks.fails_raw(
        "hidden among free ones",
        &many(5_000, &|at| {
            if at == 4_321 {
                "refs/heads/relea\u{17f}e".to_owned()
            } else {
                format!("refs/heads/u{at}")
            }
        }),
    );
    attacks.finish();
}

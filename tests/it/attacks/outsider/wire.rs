//! Pushes that no git would send: the same ref twice, histories said to be cut off, and clients that stop half-way.

use std::process::Child;
use std::time::{Duration, Instant};

use git_deploy::domain::entry::Action;

use crate::harness::siege::a_build;
use crate::harness::{Forge, Project, Siege, Wire, World};

const POLICY: &str = r#"[environments]
dev = {}
qa = { branch = "main", deploy_on = "approval", approvals = { required = 1, by = ["bob", "carol"] } }
"#;

/// Two entries in a row and a third beside the first, none of which the server has; and the tip that they follow.
fn entries(ci: &Forge<'_>) -> [String; 4] {
    ci.deploy(&["sync"]).ok();
    let tip = ci.repo.rev("refs/deploy/evidence");
    let main = ci.repo.rev("HEAD");
    let other = ci.build("evidence", a_build(ci, &main), None, |it| {
        it.at = it.at.plus(git_deploy::domain::time::Span::seconds(1));
    });
    let one = ci.append("evidence", a_build(ci, &main), None, |_| ());
    let two = ci.build("evidence", a_build(ci, &main), None, |_| ());
    ci.repo
        .git(&["update-ref", "refs/deploy/evidence", &tip])
        .ok();
    [tip, one.to_string(), two.to_string(), other.to_string()]
}

/// One ref in several updates of one push, and updates that change nothing or lie about what was there: at most one of them goes in, and that
/// one as it was judged.
#[test]
fn commands_twice() {
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
    let siege = Siege::of(&project);
    for features in ["report-status", "report-status atomic"] {
        let wire = |updates: &[(&str, &str)]| {
            let wire = Wire::new(&ci.repo).with(features);
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
            let said = siege.fails_wire(attack, &wire(updates));
            assert!(!said.contains("ok refs/"), "{attack}: {said}");
        }
        for (attack, updates) in [
            ("what is there already", &[(&*tip, &*tip)][..]),
            ("from where the ledger was", &[(&*before, &*tip)]),
            ("a rewind that says to create", &[(&*zero, &*before)]),
            ("a rewind that says to go on", &[(&*before, &*before)]),
        ] {
            siege.wire(attack, &["chain"], &wire(updates));
        }
    }
    // Where each by itself would go in, all together do not, and one by one the first does: the others then meet another ledger.
    let doubles = |[tip, one, two, other]: &[String; 4]| {
        let pairs = [[one, one], [one, two], [one, other]];
        pairs.map(|news| {
            let wire = Wire::new(&ci.repo);
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
    siege.end();
}

/// Who says that history ends at a commit hides nothing behind it: neither that a branch goes back, nor who wrote what is brought in.
#[test]
fn shallow_lines() {
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
    for forge in [bob, carol, ci] {
        forge
            .repo
            .git(&["reset", "-q", "--hard", "origin/topic"])
            .ok();
    }
    bob.deploy(&["approve", "qa"]).ok();
    ci.deploy(&["sync"]).ok();
    let ledger = server.rev("refs/deploy/qa");
    let record = ci.build("qa", ci.a_record("HEAD", Some(&running)), None, |it| {
        let Action::Record(record) = &mut it.action else {
            panic!("not a record")
        };
        record.deployment.approved_by = vec!["bob".parse().unwrap()];
    });
    let siege = Siege::of(&project);
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
            let wire = || Wire::new(&alice.repo).line(format!("shallow {cut}").as_bytes());
            siege.fails_wire(
                "a branch to an orphan",
                &wire().update(&running, &orphan, "refs/heads/main"),
            );
            siege.fails_wire(
                "a branch to what is not approved",
                &wire().update(&running, &tip, "refs/heads/main"),
            );
            siege.fails_wire(
                "a branch that goes away",
                &wire().update(&running, &"0".repeat(40), "refs/heads/main"),
            );
            siege.fails_wire(
                "a ledger to an orphan",
                &wire().update(&ledger, &orphan, "refs/deploy/qa"),
            );
            let wire = Wire::new(&ci.repo).line(format!("shallow {cut}").as_bytes());
            let wire = wire.update(&ledger, &record.to_string(), "refs/deploy/qa");
            match cut {
                _ if *cut == orphan => siege.fails_wire("its author approved it", &wire),
                // Where git believes it, nobody can tell who wrote what is not there.
                _ if *cut == tip && allowed == "true" => siege.untold_wire(
                    "its author approved it",
                    &["approvals", "fast-forward"],
                    &wire,
                ),
                _ => siege.wire("its author approved it", &["approvals"], &wire),
            };
        }
        // It cuts its own parent off, which nobody has.
        let wire = Wire::new(&alice.repo)
            .alone()
            .line(format!("shallow {headless}").as_bytes());
        let said = siege.fails_wire(
            "a commit without its parent",
            &wire.update(&running, &headless, "refs/heads/main"),
        );
        assert!(
            said.contains("unpack ok") && said.contains("ng refs/heads/main"),
            "{said}"
        );
    }
    siege.end();
}

/// Git carries ledgers out before the other refs of a push and tells `proc-receive` nothing of those. So where a later one fails, an entry
/// of an atomic push is in although the pusher hears of a rejection: nothing false is in, and offering it again finds it there. Our client
/// pushes ledgers by themselves.
#[test]
fn atomic_with_others() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (server, ci) = (&project.server, &project.ci);
    let main = ci.repo.rev("HEAD");
    let local = "#!/bin/sh\ncase $1 in refs/heads/no*) exit 1;; esac\n";
    server.hook("update", local);
    let siege = Siege::of(&project);
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
        siege.refused("an entry that is refused", &["chain"], || {
            ci.push(&[
                "--atomic",
                &format!("+{early}:refs/deploy/evidence"),
                "HEAD:refs/heads/beside",
            ])
        });
    }
    std::fs::remove_file(server.path().join("hooks/update")).unwrap();
    siege.end();
}

/// While somebody neither reads nor sends on, everybody else goes on writing, and whoever then goes away leaves nothing behind.
#[test]
fn clients_that_stop() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let (server, alice, ci) = (&project.server, &project.alice, &project.ci);
    ci.deploy(&["attest", "test-result", "--result", "passed"])
        .ok();
    let (zero, main) = ("0".repeat(40), ci.repo.rev("HEAD"));
    let siege = Siege::of(&project);
    let everything = usize::MAX;
    for (what, length) in [
        ("refused", everything),
        ("accepted", everything),
        ("half a pack", 300_000),
        ("half an update", 90),
    ] {
        let [tip, one, ..] = entries(ci);
        // More answers than a pipe holds.
        let wire = Wire::new(&ci.repo).with("report-status side-band-64k");
        let wire = match what {
            "refused" => (0..800).fold(wire, |wire, at| {
                wire.line(format!("{zero} {main} refs/deploy/{}{at}", "x".repeat(150)).as_bytes())
            }),
            "accepted" => (0..1_500).fold(wire, |wire, _| {
                wire.line(format!("{tip} {one} refs/deploy/evidence").as_bytes())
            }),
            _ => wire.update(&zero, &noise(ci), "refs/heads/noise"),
        };
        let child = wire.objects(&one).stall(server, length);
        std::thread::sleep(Duration::from_millis(1_500));
        let begun = Instant::now();
        world.advance("1m");
        ci.deploy(&["sync"]).ok();
        ci.deploy(&["attest", "test-result", "--result", "failed"])
            .ok();
        alice
            .push(&[&format!("HEAD:refs/heads/{}", what.replace(' ', "-"))])
            .ok();
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what}: {:?}",
            begun.elapsed()
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
    siege.end();
}

/// The connection ends.
fn gone(mut child: Child) {
    drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
    child.wait().unwrap();
}

/// A commit of a file that no pack makes small.
fn noise(forge: &Forge<'_>) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    });
    let blob = forge.object("blob", &bytes.take(1_000_000).collect::<Vec<u8>>());
    let tree = forge.object(
        "tree",
        &[b"100644 noise\0", &crate::harness::smith::hex(&blob)[..]].concat(),
    );
    forge
        .repo
        .git(&["commit-tree", "-m", "noise", &tree])
        .ok()
        .text()
}

/// Names that a folder, an eye or another program takes for a bound ref's, and pushes of thousands that would be bound.
#[test]
fn nearly_bound() {
    let world = World::new();
    let project = Project::new(&world, "[environments]\nprod = {}\n");
    project.publish("[environments.prod]\nbranch = \"release\"\ntag = \"rel-{timestamp}.{env}\"\n");
    let ci = &project.ci;
    let (zero, head) = ("0".repeat(40), ci.repo.rev("HEAD"));
    let siege = Siege::of(&project);
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
        siege.wire(
            name,
            &[rule],
            &Wire::new(&ci.repo).update(&zero, &head, name),
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
        siege.fails_wire(name, &Wire::new(&ci.repo).update(&zero, &head, name));
    }
    // As the server of another repository's refs within this one: names then mean other refs than they say.
    for name in ["refs/deploy/prod", "refs/heads/release"] {
        siege.fails(&format!("{name} of a namespace"), || {
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
        let wire = Wire::new(&ci.repo).update(&zero, &head, &name(0));
        (1..count).fold(wire, |wire, at| {
            wire.line(format!("{zero} {head} {}", name(at)).as_bytes())
        })
    };
    let said = siege.fails_wire(
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
    siege.fails_wire(
        "hidden among free ones",
        &many(5_000, &|at| {
            if at == 4_321 {
                "refs/heads/relea\u{17f}e".to_owned()
            } else {
                format!("refs/heads/u{at}")
            }
        }),
    );
    siege.end();
}

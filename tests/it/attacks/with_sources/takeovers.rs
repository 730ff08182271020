//! Runs that others want: forged takeovers and ends, owners who slept, and several who go on at once.

use git_deploy::testing::domain::entry::{Action, Resume, Start};
use git_deploy::testing::domain::id::RunId;
use rustix::process::Signal;

use crate::harness::run_entries::{abort, finish, read_start};
use crate::harness::{AttackRunner, Member, Project, Run, World};
use crate::run::{BackgroundRun, RunFixture, waiting};

const TAKE_OVER: [&str; 6] = ["resume", "dev", "--yes", "--take-over", "-m", "lost"];

/// Returns a takeover of a run, with a reason or none.
fn resume(start: u64, run: RunId, reason: Option<&str>) -> Action {
    Action::Resume(Resume {
        start,
        run,
        reason: reason.map(|reason| reason.parse().unwrap()),
    })
}

/// A person without a key, without the right, or without a reason neither takes over nor ends the
/// run of another, also under the name of its owner. After a takeover, the first owner does not
/// either.
#[test]
fn runs_of_others_are_neither_taken_nor_ended() {
    let world = World::new();
    let policy = "[environments]\ndev = { deployers = [\"bob\", \"ci\"] }\n";
    let project = Project::new(&world, policy);
    let (bob, carol, ci) = (&project.bob, &project.carol, &project.ci);
    ci.deploy(&["record", "dev", "--start", "--all"]).ok();
    for member in [bob, carol, ci] {
        member.deploy(&["sync"]).ok();
    }
    let mallory = Member::new(&world, &project.server, "mallory");
    let fetch = ["fetch", "-q", "origin", "refs/deploy/*:refs/deploy/*"];
    mallory.repo.git(&fetch).ok();
    let attacks = AttackRunner::of(&project);
    let run = read_start(ci, "dev");
    let (start, new) = (run.0, RunId([7; 16]));
    let is_refused = |what: &str, member: &Member<'_>, name: &str, action: Action| {
        let forged = member.build("dev", action, None, |it| it.by = name.parse().unwrap());
        let refspec = format!("{forged}:refs/deploy/dev");
        let attack = format!("{} as {name}: {what}", member.person);
        let said = attacks.fails(&attack, || member.push(&[&refspec]));
        assert!(said.contains("git-deploy: refused"), "{attack}: {said}");
        said
    };
    for (member, names) in [(&mallory, ["mallory", "ci"]), (carol, ["carol", "ci"])] {
        for name in names {
            for (what, action) in [
                ("resume", resume(start, new, Some("lost"))),
                ("resume the same", resume(start, run.1.run, Some("lost"))),
                ("finish", finish(&run)),
                ("abort", abort(&run)),
            ] {
                let said = is_refused(what, member, name, action);
                assert!(said.contains("✗ authorization"), "{what}: {said}");
            }
        }
    }
    // Who may deploy, but does not say why.
    is_refused("resume", bob, "bob", resume(start, new, None));
    is_refused("finish", bob, "bob", finish(&run));
    is_refused("abort", bob, "bob", abort(&run));
    is_refused(
        "another run",
        bob,
        "bob",
        resume(start + 1, new, Some("lost")),
    );
    is_refused(
        "the same",
        bob,
        "bob",
        resume(start, run.1.run, Some("lost")),
    );
    // The control: one with a reason.
    let taken = bob.append("dev", resume(start, new, Some("lost")), None, |_| ());
    bob.push(&[&format!("{taken}:refs/deploy/dev")]).ok();
    ci.deploy(&["sync"]).ok();
    let of_bob = (
        start,
        Start {
            run: new,
            ..run.1.clone()
        },
    );
    is_refused("finish its old run", ci, "ci", finish(&run));
    is_refused("finish the new run", ci, "ci", finish(&of_bob));
    is_refused("as the new owner", ci, "bob", finish(&of_bob));
    is_refused("the old run", bob, "bob", finish(&run));
    let end = bob.append("dev", finish(&of_bob), None, |_| ());
    bob.push(&[&format!("{end}:refs/deploy/dev")]).ok();
    attacks.finish();
}

/// An owner that slept in the middle of an apply, while others took the run over and ended it, starts
/// and records nothing when it wakes up.
#[test]
fn an_owner_that_slept_changes_nothing() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let (alice, bob, ci) = (&play.project.alice, &play.project.bob, &play.project.ci);
    play.run(&[]).ok();
    for (turn, ending) in ["resume", "abort"].into_iter().enumerate() {
        let n = format!("{}\n", turn + 2);
        let script = format!(
            "mkdir $HOME/slept{turn} 2> /dev/null || return 0; {}",
            waiting("go")
        );
        play.change(&[("net/n", &n), ("db/n", &n), ("net/apply", &script)]);
        let background = BackgroundRun::begin(&ci.repo, &["run", "dev", "--yes"]);
        play.wait_for("go.there");
        background.signal(Signal::STOP);
        match ending {
            "resume" => bob.deploy(&TAKE_OVER).ok(),
            _ => alice.deploy(&["abort", "dev", "-m", "enough"]).ok(),
        };
        let before = (play.entries("dev"), play.newest("dev"));
        play.done();
        // The command goes on, and only then its program.
        play.touch("go");
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        background.signal(Signal::CONT);
        let said = background.ends_with(3);
        assert!(
            said.contains("another process has taken over the run"),
            "{ending}: {said}"
        );
        let begun: Vec<String> = play
            .done()
            .into_iter()
            .filter(|it| !it.starts_with("verify net"))
            .collect();
        assert_eq!(begun, [""; 0], "{ending}: {said}");
        assert_eq!(
            (play.entries("dev"), play.newest("dev")),
            before,
            "{ending}"
        );
    }
    play.run(&[]).ok();
    play.nothing_left();
    play.project.audited();
}

/// Of two people who take over a killed run and an admin who aborts it, all at once, one succeeds,
/// and the ledger has one end of the run.
#[test]
fn one_of_several_goes_on() {
    let world = World::new();
    let play = RunFixture::new(&world, "[environments]\ndev = {}\n", &[]);
    let project = &play.project;
    play.run(&[]).ok();
    for turn in 0..4 {
        let n = format!("{}\n", turn + 2);
        let script = format!(
            "mkdir $HOME/killed{turn} 2> /dev/null || return 0; {}",
            waiting("go")
        );
        play.change(&[("net/n", &n), ("net/apply", &script)]);
        let background = BackgroundRun::begin(&project.ci.repo, &["run", "dev", "--yes"]);
        play.wait_for("go.there");
        background.dies();
        play.touch("go");
        let before = play.entries("dev");
        play.done();
        let delay = std::time::Duration::from_millis(turn * 300);
        let runs = std::thread::scope(|scope| {
            let two = scope.spawn(|| project.bob.deploy(&TAKE_OVER));
            let three = scope.spawn(|| {
                std::thread::sleep(delay);
                project.alice.deploy(&["abort", "dev", "-m", "enough"])
            });
            let one = project.carol.deploy(&TAKE_OVER);
            [one, two.join().unwrap(), three.join().unwrap()]
        });
        let won: Vec<bool> = runs.iter().map(Run::succeeded).collect();
        let [one, two, three] = &runs;
        let story = format!("{one}\n{two}\n{three}");
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{story}");
        let applied = play
            .done()
            .iter()
            .filter(|it| it.starts_with("apply net"))
            .count();
        assert!(applied <= 1, "{applied} applies: {story}");
        let newest = play.newest("dev");
        if won[2] {
            assert_eq!(newest["action"], "abort", "{story}");
            assert!(play.entries("dev") <= before + 2, "{story}");
        } else {
            assert_eq!(newest["action"], "finish", "{story}");
            assert_eq!(play.entries("dev"), before + 2, "{story}");
            assert_eq!(applied, 1, "{story}");
        }
    }
    // A run with something to do removes what the killed ones have left.
    play.change(&[("net/apply", "true\n")]);
    play.run(&[]).ok();
    play.nothing_left();
    project.audited();
}

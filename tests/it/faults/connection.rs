//! A connection that dies in the middle: after any number of bytes, to the server or from it, for a moment or for good.
//!
//! The server may have carried the entry out, may be about to, or may never hear of it. Whatever the client then says is true, and the
//! entry is there once at most.

use super::proxy::{Cut, Proxy, Way};
use super::{Fault, POLICY, Scene};
use crate::harness::daemon::Daemon;
use crate::harness::sshd::{SSHD, Sshd};
use crate::harness::web::{WEB, Web};
use crate::harness::{Project, Repo, Run, World, needs};

const LOCK: [&str; 4] = ["lock", "dev", "-m", "stop"];
const UNLOCK: [&str; 2] = ["unlock", "dev"];

/// At how many places it breaks each way with `FAULTS=all`.
const ALL: usize = 30;

/// What is claimed of the entry, against what is so.
#[track_caller]
fn truthful(run: &Run<'_>, moved: usize, cut: &dyn std::fmt::Debug) {
    let words = run.words_of_err();
    if run.succeeded() {
        assert_eq!(moved, 1, "{cut:?}: {run}");
        return;
    }
    assert!(run.to_string().ends_with("--- exit status: 3\n"), "{cut:?}: {run}");
    assert!(words.contains("try: "), "{cut:?}: {run}");
    let denied = ["nothing was written", "nothing was changed"].iter().any(|it| words.contains(it));
    let open = words.contains("may be there or not");
    assert!(denied || open, "{cut:?}: {run}");
    assert!(moved == 0 || !denied, "{cut:?}: it was written\n{run}");
}

/// Breaks at places all along the way of a lock: the second lock is refused, so nothing hides that there are two.
fn sweep(world: &World, bob: &Repo<'_>, server: &Repo<'_>, proxy: &Proxy, places: usize) {
    bob.deploy(&["sync"]).ok();
    proxy.settle();
    let scene = Scene::new(world, bob, server, Fault::Killed);
    proxy.breaks(None);
    bob.deploy(&LOCK).ok();
    proxy.settle();
    let all = std::env::var_os("FAULTS").is_some_and(|value| value == "all");
    let places = if all { ALL } else { places };
    let (mut broken, mut open, mut through) = (0, 0, 0);
    for (way, total) in [Way::Up, Way::Down].map(|way| (way, proxy.carried(way))) {
        // Evenly, and close to the end, where the server has heard all and its answer is lost.
        let near = [total * 15 / 16, total - 1];
        for after in (0..places).map(|place| total * place / places).chain(near) {
            for for_good in [false, true] {
                let cut = Cut { way, after, for_good };
                scene.back();
                let before = scene.tips();
                proxy.breaks(Some(cut));
                let run = bob.deploy(&LOCK);
                proxy.settle();
                let moved = scene.unharmed(&before, after, &run);
                truthful(&run, moved, &cut);
                broken += usize::from(proxy.broke());
                through += usize::from(run.succeeded());
                open += usize::from(run.words_of_err().contains("may be there or not"));
                proxy.breaks(None);
                // Its own entry is found, and the ledger goes on.
                bob.deploy(&["sync"]).ok();
                assert_eq!(bob.rev("refs/deploy/policy"), server.rev("refs/deploy/policy"));
                bob.deploy(if moved == 1 { &UNLOCK } else { &LOCK }).ok();
                bob.deploy(&["audit"]).ok();
                proxy.settle();
            }
        }
    }
    println!("broken {broken}, of these gone through {through}, open {open}");
    assert!(broken > 0 && through > 0);
}

/// git's own protocol, which shows most of what is said.
#[test]
fn daemon() {
    let world = World::new();
    let (_daemon, proxy, project) = served(&world);
    sweep(&world, &project.bob.repo, &project.server, &proxy, 4);
}

/// A project behind a git daemon.
fn served(world: &World) -> (Daemon, Proxy, Project<'_>) {
    let exec_path = Run::of(world, world.command("git", "server").arg("--exec-path")).ok().text();
    let daemon = Daemon::start(&world.path().join("daemon.log"), |port| {
        let mut command = world.command(&format!("{exec_path}/git-daemon"), "server");
        let base = format!("--base-path={}", world.path().display());
        command.args(["--export-all", "--enable=receive-pack", "--reuseaddr", "--listen=127.0.0.1", &base]);
        command.arg(format!("--port={port}"));
        command
    });
    let proxy = Proxy::to(daemon.port);
    let url = format!("git://127.0.0.1:{}/server.git", proxy.port);
    let server = world.bare_server("server.git");
    let project = Project::on(world, server, POLICY, |_, person| world.clone_from(&url, person, &[]));
    (daemon, proxy, project)
}

/// The connection dies while the server is still at it, which goes on and is done a while later: before the client looks, while it
/// looks, while it tries again, or long after.
#[test]
fn late() {
    let world = World::new();
    let (_daemon, proxy, project) = served(&world);
    let (bob, server) = (&project.bob.repo, &project.server);
    bob.deploy(&["sync"]).ok();
    proxy.settle();
    for hook in ["pre-receive", "proc-receive"] {
        let first = server.path().join("first");
        let scene = Scene::new(&world, bob, server, Fault::Killed);
        for millis in [0, 20, 50, 100, 150, 200, 300, 500, 1_000] {
            scene.back();
            let before = scene.tips();
            let wait = format!("mkdir first 2> /dev/null && sleep {}.{:03}", millis / 1_000, millis % 1_000);
            server.hook(hook, &format!("#!/bin/sh\n{wait}\nexec git-deploy hook {hook} \"$@\"\n"));
            let run = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !first.exists() {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    proxy.cut();
                });
                bob.deploy(&LOCK)
            });
            proxy.settle();
            let moved = scene.unharmed(&before, millis, &run);
            truthful(&run, moved, &format!("{hook} {millis}"));
            bob.deploy(&["sync"]).ok();
            bob.deploy(if moved == 1 { &UNLOCK } else { &LOCK }).ok();
            bob.deploy(&["audit"]).ok();
            proxy.settle();
        }
    }
}

/// HTTP, where each question is a request of its own.
#[test]
fn http() {
    if !WEB.iter().all(|tool| needs(tool)) {
        return;
    }
    let world = World::new();
    let server = world.bare_server("server.git");
    let web = Web::start(&world, &["alice", "bob", "carol", "ci"]);
    let proxy = Proxy::to(web.port());
    let url = format!("http://127.0.0.1:{}/git/server.git", proxy.port);
    let project = Project::on(&world, server, POLICY, |_, person| {
        world.clone_from(&url, person, &[&format!("credential.helper={}", Web::helper(person, true))])
    });
    sweep(&world, &project.bob.repo, &project.server, &proxy, 2);
}

/// ssh, where nobody on the way knows what is said.
#[test]
fn ssh() {
    if !SSHD.iter().all(|tool| needs(tool)) {
        return;
    }
    let world = World::new();
    let server = world.bare_server("server.git");
    let sshd = Sshd::start(&world);
    let proxy = Proxy::to(sshd.port());
    let url = format!("ssh://127.0.0.1:{}{}", proxy.port, server.path().display());
    let project = Project::on(&world, server, POLICY, |_, person| {
        sshd.admit(&sshd.key(person));
        let command = format!("core.sshCommand={} -o HostKeyAlias=[127.0.0.1]:{}", sshd.command(person), sshd.port());
        world.clone_from(&url, person, &[&command])
    });
    sweep(&world, &project.bob.repo, &project.server, &proxy, 2);
}

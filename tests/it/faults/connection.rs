//! A connection that breaks after any number of bytes, to the server or from it, for a moment or
//! permanently.
//!
//! The server may have carried the entry out, may be about to, or may never receive it. The
//! client's report must be true, and the entry is written at most once.

use super::proxy::{Cut, Proxy, Way};
use super::{Fault, FaultInjection, POLICY};
use crate::harness::daemon::Daemon;
use crate::harness::http_server::{WEB, Web};
use crate::harness::sshd::{SSHD, Sshd};
use crate::harness::{Project, Repo, Run, World, has_tool, processes_in, wait_until};

const LOCK: [&str; 4] = ["lock", "dev", "-m", "stop"];
const UNLOCK: [&str; 2] = ["unlock", "dev"];

/// The number of places at which it breaks in each direction with `FAULTS=all`.
const ALL: usize = 30;

/// Checks that what a command says about its entry is true.
#[track_caller]
fn truthful(run: &Run<'_>, moved: usize, cut: &dyn std::fmt::Debug) {
    let words = run.words_of_err();
    if run.succeeded() {
        assert_eq!(moved, 1, "{cut:?}: {run}");
        return;
    }
    assert!(
        run.to_string().ends_with("--- exit status: 3\n"),
        "{cut:?}: {run}"
    );
    assert!(words.contains("hint: "), "{cut:?}: {run}");
    let denied = ["nothing was written", "nothing was changed"]
        .iter()
        .any(|it| words.contains(it));
    let open = words.contains("may or may not have arrived");
    assert!(denied || open, "{cut:?}: {run}");
    assert!(moved == 0 || !denied, "{cut:?}: it was written\n{run}");
}

/// Waits until the server has done what it does with what it got. One that is called by ssh outlives its connection.
fn settle(proxy: &Proxy, server: &Repo<'_>) {
    proxy.settle();
    wait_until("the server does not come to its end", || {
        processes_in(server).is_empty()
    });
}

/// Breaks at places all along the way of a lock: the second lock is refused, so nothing hides that there are two.
fn sweep(world: &World, bob: &Repo<'_>, server: &Repo<'_>, proxy: &Proxy, places: usize) {
    bob.deploy(&["sync"]).ok();
    proxy.settle();
    let faults = FaultInjection::new(world, bob, server, Fault::Killed);
    proxy.breaks(None);
    bob.deploy(&LOCK).ok();
    settle(proxy, server);
    let all = std::env::var_os("FAULTS").is_some_and(|value| value == "all");
    let places = if all { ALL } else { places };
    let (mut broken, mut open, mut through) = (0, 0, 0);
    for (way, total) in [Way::Up, Way::Down].map(|way| (way, proxy.carried(way))) {
        // Evenly, and close to the end, where the server has heard all and its answer is lost.
        let near = [total * 15 / 16, total - 1];
        for after in (0..places).map(|place| total * place / places).chain(near) {
            for for_good in [false, true] {
                let cut = Cut {
                    way,
                    after,
                    for_good,
                };
                faults.restore();
                let before = faults.tips();
                proxy.breaks(Some(cut));
                let run = bob.deploy(&LOCK);
                settle(proxy, server);
                let moved = faults.check_unharmed(&before, after, &run);
                truthful(&run, moved, &cut);
                broken += usize::from(proxy.broke());
                through += usize::from(run.succeeded());
                open += usize::from(run.words_of_err().contains("may or may not have arrived"));
                proxy.breaks(None);
                // Its own entry is found, and the ledger goes on.
                bob.deploy(&["sync"]).ok();
                assert_eq!(
                    bob.rev("refs/deploy/policy"),
                    server.rev("refs/deploy/policy")
                );
                bob.deploy(if moved == 1 { &UNLOCK } else { &LOCK }).ok();
                bob.deploy(&["audit"]).ok();
                settle(proxy, server);
            }
        }
    }
    println!("broken {broken}, of these gone through {through}, open {open}");
    assert!(broken > 0 && through > 0);
}

/// The protocol of `git daemon`, which shows most of what is said.
#[test]
fn over_git_protocol() {
    let world = World::new();
    let (_daemon, proxy, project) = served(&world);
    sweep(&world, &project.bob.repo, &project.server, &proxy, 4);
}

/// Returns a project behind a git daemon.
fn served(world: &World) -> (Daemon, Proxy, Project<'_>) {
    let exec_path = Run::of(world, world.command("git", "server").arg("--exec-path"))
        .ok()
        .text();
    let daemon = Daemon::start(&world.path().join("daemon.log"), |port| {
        let mut command = world.command(&format!("{exec_path}/git-daemon"), "server");
        let base = format!("--base-path={}", world.path().display());
        command.args([
            "--export-all",
            "--enable=receive-pack",
            "--reuseaddr",
            "--listen=127.0.0.1",
            &base,
        ]);
        command.arg(format!("--port={port}"));
        command
    });
    let proxy = Proxy::to(daemon.port);
    let url = format!("git://127.0.0.1:{}/server.git", proxy.port);
    let server = world.bare_server("server.git");
    let project = Project::on(world, server, POLICY, |_, person| {
        world.clone_from(&url, person, &[])
    });
    (daemon, proxy, project)
}

/// The connection dies while the server is working, which finishes before, while or after the
/// client checks and retries.
#[test]
fn the_server_finishes_later() {
    let world = World::new();
    let (_daemon, proxy, project) = served(&world);
    let (bob, server) = (&project.bob.repo, &project.server);
    bob.deploy(&["sync"]).ok();
    proxy.settle();
    for hook in ["pre-receive", "proc-receive"] {
        let first = server.path().join("first");
        let faults = FaultInjection::new(&world, bob, server, Fault::Killed);
        for millis in [0, 20, 50, 100, 150, 200, 300, 500, 1_000] {
            faults.restore();
            let before = faults.tips();
            let wait = format!(
                "mkdir first 2> /dev/null && sleep {}.{:03}",
                millis / 1_000,
                millis % 1_000
            );
            server.hook(
                hook,
                &format!("#!/bin/sh\n{wait}\nexec git-deploy hook {hook} \"$@\"\n"),
            );
            let run = std::thread::scope(|scope| {
                scope.spawn(|| {
                    wait_until("the hook does not begin", || first.exists());
                    proxy.cut();
                });
                bob.deploy(&LOCK)
            });
            settle(&proxy, server);
            let moved = faults.check_unharmed(&before, millis, &run);
            truthful(&run, moved, &format!("{hook} {millis}"));
            bob.deploy(&["sync"]).ok();
            bob.deploy(if moved == 1 { &UNLOCK } else { &LOCK }).ok();
            bob.deploy(&["audit"]).ok();
            proxy.settle();
        }
    }
}

/// Over HTTP each question is a request of its own.
#[test]
fn over_http() {
    if !WEB.iter().all(|tool| has_tool(tool)) {
        return;
    }
    let world = World::new();
    let server = world.bare_server("server.git");
    let web = Web::start(&world, &["alice", "bob", "carol", "ci"]);
    let proxy = Proxy::to(web.port());
    let url = format!("http://127.0.0.1:{}/git/server.git", proxy.port);
    let project = Project::on(&world, server, POLICY, |_, person| {
        world.clone_from(
            &url,
            person,
            &[&format!("credential.helper={}", Web::helper(person, true))],
        )
    });
    sweep(&world, &project.bob.repo, &project.server, &proxy, 2);
}

/// Over ssh nobody on the way can read the connection.
#[test]
fn over_ssh() {
    if !SSHD.iter().all(|tool| has_tool(tool)) {
        return;
    }
    let world = World::new();
    let server = world.bare_server("server.git");
    let sshd = Sshd::start(&world);
    let proxy = Proxy::to(sshd.port());
    let url = format!("ssh://127.0.0.1:{}{}", proxy.port, server.path().display());
    let project = Project::on(&world, server, POLICY, |_, person| {
        sshd.admit(&sshd.key(person));
        let command = format!(
            "core.sshCommand={} -o HostKeyAlias=[127.0.0.1]:{}",
            sshd.command(person),
            sshd.port()
        );
        world.clone_from(&url, person, &[&command])
    });
    sweep(&world, &project.bob.repo, &project.server, &proxy, 2);
}

/// A broken answer can look like that of a server without refs. No loss is reported until an answer
/// has other refs; without one the known tips stay.
#[test]
fn an_answer_without_refs_is_doubted() {
    let world = World::new();
    let project = Project::new(&world, POLICY);
    let bob = &project.bob.repo;
    let empty = world.bare_server("empty.git");
    let refs = || {
        bob.git(&["for-each-ref", "refs/deploy/", "refs/deploy-incoming/"])
            .ok()
            .text()
    };
    let (before, program) = (refs(), world.path().join("home/upload-pack"));
    bob.git(&[
        "config",
        "remote.origin.uploadpack",
        &program.to_string_lossy(),
    ])
    .ok();
    // What comes first, and what comes then.
    let answers = |first: &str, then: &str| {
        let once = world.path().join("home/once");
        let _ = std::fs::remove_dir(&once);
        let script = format!(
            "#!/bin/sh\nif mkdir {} 2> /dev/null; then {first}; fi\n{then}\n",
            once.display()
        );
        bob.write("../home/upload-pack", &script);
        bob.run("chmod", &["+x", &program.to_string_lossy()]).ok();
    };
    let (none, all) = (
        format!("exec git-upload-pack {}", empty.path().display()),
        "exec git-upload-pack \"$@\"",
    );
    answers(&none, all);
    bob.deploy(&["sync"]).ok();
    assert_eq!(refs(), before);
    answers(&none, "exit 1");
    let run = bob.deploy(&["sync"]).fails(3);
    assert!(
        run.err()
            .starts_with("error: cannot fetch from origin: nothing was changed"),
        "{run}"
    );
    assert_eq!(refs(), before);
    bob.deploy(&["status"]).ok();
    // However often it is repeated, it is no proof that every ref was deleted.
    answers(&none, &none);
    let run = bob.deploy(&["sync"]).fails(3);
    assert!(run.words_of_err().contains("lists no refs"), "{run}");
    assert_eq!(refs(), before);
    // An answer with any ref is.
    let main = project.server.rev("refs/heads/main");
    bob.git(&[
        "push",
        "-q",
        &empty.path().to_string_lossy(),
        &format!("{main}:refs/heads/x"),
    ])
    .ok();
    let run = bob.deploy(&["sync"]).fails(1);
    assert!(
        run.err().contains("the remote has lost the ledger policy"),
        "{run}"
    );
}

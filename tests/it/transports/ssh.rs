//! Git over ssh: a real sshd, with keys that may only speak to git.

use super::{day, not_let_in, project, protocol};
use crate::harness::sshd::{SSHD, Sshd};
use crate::harness::{World, has_tool};

/// A day over ssh, in both versions of the protocol; an unknown key and a changed host key end in
/// "cannot tell".
#[test]
fn over_ssh() {
    if !SSHD.iter().all(|tool| has_tool(tool)) {
        return;
    }
    let world = World::new();
    let server = world.bare_server("server.git");
    let sshd = Sshd::start(&world);
    let url = sshd.url(&server.path().to_string_lossy());
    let project = project(&world, server, |person| {
        sshd.admit(&sshd.key(person));
        world.clone_from(
            &url,
            person,
            &[&format!("core.sshCommand={}", sshd.command(person))],
        )
    });
    let carol = &project.carol.repo;
    assert_eq!(protocol(carol), 2);
    project
        .ci
        .repo
        .git(&["config", "protocol.version", "0"])
        .ok();
    assert_eq!(protocol(&project.ci.repo), 0);
    day(&project);

    sshd.key("mallory");
    carol
        .git(&["config", "core.sshCommand", &sshd.command("mallory")])
        .ok();
    not_let_in(carol, "Permission denied");
    carol
        .git(&["config", "core.sshCommand", &sshd.command("carol")])
        .ok();
    world.existing("ssh", "server").write("known_hosts", "");
    not_let_in(carol, "Host key verification failed");
}

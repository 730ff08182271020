//! The sandbox that `git-deploy demo` leaves: a server and the clones of alice, bob, carol and ci.

use super::{Repo, Run, World};

pub struct Sandbox<'w> {
    world: &'w World,
    /// Both streams of the tour, as a terminal would show them.
    pub transcript: String,
}

impl<'w> Sandbox<'w> {
    /// Takes the tour, in a home with nothing in it: a first-time user has no setting that could help.
    pub fn new(world: &'w World) -> Self {
        // The tour's commits have the hour's date, and nothing that is deployed may be younger than its entry.
        world.advance("30000d");
        let home = world.path().join("nobody");
        std::fs::create_dir(&home).unwrap();
        let mut command = world.command("sh", "nobody");
        command.args(["-c", "exec git-deploy demo sandbox 2>&1"]);
        command.env("HOME", home).env_remove("GIT_CONFIG_GLOBAL");
        let transcript = Run::of(world, &mut command).ok().to_string();
        // git pads what a server says.
        let transcript = transcript
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n");
        Self { world, transcript }
    }

    /// Returns the clone of one of the four.
    pub fn person(&self, person: &str) -> Repo<'w> {
        self.world.existing(format!("sandbox/{person}"), person)
    }

    pub fn server(&self) -> Repo<'w> {
        self.world.existing("sandbox/server.git", "server")
    }
}

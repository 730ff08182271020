//! A server process of a test: on loopback, at its own port, and ended with the test, however that
//! ends.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often another port is tried if another program took the free one.
const STARTS: u32 = 5;
/// How long a server may take until it answers.
const WAIT: Duration = Duration::from_secs(20);

pub struct Daemon {
    process: Child,
    pub port: u16,
}

impl Daemon {
    /// Starts what `command` says for a free port, and waits until it answers there; what it writes goes to the file `log`.
    pub fn start(log: &Path, command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..STARTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let mut command = command(port);
            let output = File::create(log).unwrap();
            command
                .stdin(Stdio::null())
                .stdout(output.try_clone().unwrap())
                .stderr(output);
            let mut daemon = Self {
                process: command.spawn().unwrap(),
                port,
            };
            if daemon.answers() {
                return daemon;
            }
        }
        panic!(
            "a server did not start: {}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
    }

    fn answers(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < WAIT && self.process.try_wait().unwrap().is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                // Whoever answers is ours only if ours did not find the port taken.
                return self.process.try_wait().unwrap().is_none();
            }
            sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

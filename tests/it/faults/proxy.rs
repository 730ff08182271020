//! A connection that breaks: it carries so many bytes one way, all connections counted together, and then nothing more.
//!
//! Whoever is at the server's end reads to the end of what came, and is drained to the end of what it says: so a test can wait until the
//! server has done what it does with what it got.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// To the server, or from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// How it breaks.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub way: Way,
    /// The number of bytes after which it breaks.
    pub after: usize,
    /// Whether all later connections fail too, or only this one breaks.
    pub for_good: bool,
}

#[derive(Default)]
struct State {
    cut: Mutex<Option<Cut>>,
    carried: [AtomicUsize; 2],
    broken: AtomicBool,
    closed: AtomicBool,
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
}

/// Listens at a port of its own.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    listener: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy to a server on this machine.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, threads) = (
            Arc::<State>::default(),
            Arc::<Mutex<Vec<JoinHandle<()>>>>::default(),
        );
        let (shared, running) = (Arc::clone(&state), Arc::clone(&threads));
        let listener = std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.closed.load(Ordering::SeqCst) {
                    break;
                }
                let gone = shared.broken.load(Ordering::SeqCst)
                    && shared.cut.lock().unwrap().is_some_and(|it| it.for_good);
                // Dropped at once, which the client sees as the end.
                let Some(client) = client.ok().filter(|_| !gone) else {
                    continue;
                };
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).unwrap();
                shared
                    .open
                    .lock()
                    .unwrap()
                    .push((client.try_clone().unwrap(), server.try_clone().unwrap()));
                for (way, from, to) in [(Way::Up, &client, &server), (Way::Down, &server, &client)]
                {
                    let (from, to, state) = (
                        from.try_clone().unwrap(),
                        to.try_clone().unwrap(),
                        Arc::clone(&shared),
                    );
                    running
                        .lock()
                        .unwrap()
                        .push(std::thread::spawn(move || carry(way, from, to, &state)));
                }
            }
        });
        Self {
            port,
            state,
            threads,
            listener: Some(listener),
        }
    }

    /// Breaks so from now on, or carries everything.
    pub fn breaks(&self, cut: Option<Cut>) {
        *self.state.cut.lock().unwrap() = cut;
        self.state.broken.store(false, Ordering::SeqCst);
        self.state
            .carried
            .iter()
            .for_each(|count| count.store(0, Ordering::SeqCst));
    }

    /// Breaks now: whoever is connected hears nothing more, and the server gets no more than it has.
    pub fn cut(&self) {
        for (client, server) in std::mem::take(&mut *self.state.open.lock().unwrap()) {
            let _ = (
                client.shutdown(Shutdown::Both),
                server.shutdown(Shutdown::Write),
            );
        }
    }

    /// Returns whether the connection was broken.
    pub fn broke(&self) -> bool {
        self.state.broken.load(Ordering::SeqCst)
    }

    /// Returns how many bytes went this way.
    pub fn carried(&self, way: Way) -> usize {
        self.state.carried[way as usize].load(Ordering::SeqCst)
    }

    /// Waits until the server has said its last word on every connection.
    pub fn settle(&self) {
        let threads: Vec<_> = std::mem::take(&mut *self.threads.lock().unwrap());
        for thread in threads {
            thread.join().unwrap();
        }
        self.state.open.lock().unwrap().clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        // It looks when somebody comes.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.listener.take().map(JoinHandle::join);
    }
}

fn carry(way: Way, mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        let before = state.carried[way as usize].fetch_add(count, Ordering::SeqCst);
        let cut = state
            .cut
            .lock()
            .unwrap()
            .filter(|cut| cut.way == way && cut.after < before + count);
        let Some(cut) = cut.filter(|_| !state.broken.load(Ordering::SeqCst)) else {
            // What nobody takes any more is read all the same.
            let _ = to.write_all(&buffer[..count]);
            continue;
        };
        state.broken.store(true, Ordering::SeqCst);
        let _ = to.write_all(&buffer[..cut.after.saturating_sub(before).min(count)]);
        let (client, server) = if way == Way::Up {
            (&from, &to)
        } else {
            (&to, &from)
        };
        let _ = (
            client.shutdown(Shutdown::Both),
            server.shutdown(Shutdown::Write),
        );
    }
}

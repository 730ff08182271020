//! A receiver of webhooks for tests, which gives a list of good and bad answers.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The answer to one connection.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Sends this text.
    Text(&'static str),
    /// Sends this text, which was built at run time.
    Owned(String),
    /// Closes without an answer.
    Close,
    /// Sends nothing and stays open.
    Hang,
    /// Sends a successful head, and never ends the body.
    SlowBody,
    /// Sends a very long head.
    EndlessHead,
}

/// A request that was received.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// Gives each connection the next answer of a list. After the last one, it closes every connection
/// without an answer.
pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, stopped) = (
            Arc::<Mutex<Vec<Request>>>::default(),
            Arc::new(AtomicBool::new(false)),
        );
        let (received, stop) = (Arc::clone(&requests), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            let mut answers = answers.into_iter();
            // Connections stay open, so that `Hang` hangs.
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                received.lock().unwrap().extend(read_request(&mut stream));
                send_answer(&mut stream, answers.next().unwrap_or(Answer::Close));
                open.push(stream);
            }
        });
        Self {
            port,
            requests,
            stopped,
            thread: Some(thread),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/secret", self.port)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Closes the port.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // A connection wakes the thread, which then ends.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Reads a request with its body; `None` if the connection ends before.
fn read_request(stream: &mut TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)?
                .split('\r')
                .next()?
                .parse::<usize>()
                .ok()?;
            if bytes.len() >= end + 4 + length {
                return Some(Request {
                    head,
                    body: bytes.split_off(end + 4),
                });
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Gives an answer.
fn send_answer(stream: &mut TcpStream, answer: Answer) {
    // The other side may have closed the connection.
    let _ = match answer {
        Answer::Text(text) => stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.shutdown(std::net::Shutdown::Both)),
        Answer::Owned(text) => stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.shutdown(std::net::Shutdown::Both)),
        Answer::Close => stream.shutdown(std::net::Shutdown::Both),
        Answer::Hang => Ok(()),
        Answer::SlowBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\na")
        }
        Answer::EndlessHead => {
            let line = [b"x: ".as_slice(), &[b'y'; 1_000], b"\r\n"].concat();
            let mut all = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            for _ in 0..1_000 {
                all = all.and_then(|()| stream.write_all(&line));
            }
            all
        }
    };
}

//! A server started for a test, and what may be sent to it: requests of every kind, or bytes of any.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::Run;

/// Longer than anything here takes, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(60);

/// `infer serve`, ended when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    said: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts it on a port that is free and waits until it listens.
    pub fn start(run: &Run, arguments: &[&str]) -> Self {
        let mut command = Command::new(crate::binary("infer"));
        command.args(["serve", "--device", "flex", "--listen", "127.0.0.1:0", "--model"]).arg(run.path());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a binary that starts");
        let (sender, said) = mpsc::channel();
        let stderr = child.stderr.take().expect("standard error");
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                // The test may have ended.
                drop(sender.send(line.expect("text")));
            }
        });
        let mut server = Self { child, address: String::new(), said: Mutex::new(said) };
        let url = server.hears("listening on ");
        server.address = url.strip_prefix("listening on http://").expect("a URL").to_string();
        server
    }

    /// Waits for a line on standard error that begins like this.
    pub fn hears(&self, beginning: &str) -> String {
        let said = self.said.lock().expect("one test that listens");
        let mut before = Vec::new();
        loop {
            let line = said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {beginning:?} after {before:?}"));
            if line.starts_with(beginning) {
                return line;
            }
            before.push(line);
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a server that listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"))
    }

    /// What a request of JSON looks like on the wire.
    pub fn posting(path: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let body = body.as_ref();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.raw(Self::posting(path, body))
    }

    pub fn translate(&self, body: Value) -> Answer {
        self.post("/translate", body.to_string())
    }

    /// The translations of a request that is to be answered.
    pub fn translations(&self, body: Value) -> Vec<Value> {
        let answer = self.translate(body);
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        answer.json()["translations"].as_array().unwrap_or_else(|| panic!("{text}")).clone()
    }

    /// Sends bytes and reads what comes back.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect();
        // A server that has answered need not read the rest.
        drop(stream.write_all(bytes.as_ref()));
        Answer::read(&mut stream).expect("an answer")
    }

    /// One value of `/metrics`; what was never counted is zero.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Waits until one value of `/metrics` is this.
    pub fn metric_becomes(&self, name: &str, expected: f64) {
        let began = Instant::now();
        while self.metric(name) != expected {
            assert!(began.elapsed() < PATIENCE, "{name} is {}, not {expected}", self.metric(name));
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("a `kill`").success());
    }

    /// Waits for its end: the exit code.
    pub fn ends(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads one response, and nothing after it.
    pub fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(|_| broken("a head that is no text"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Self { status: status.ok_or_else(|| broken(&head))?, head, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.body.resize(length, 0);
        stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Expects a refusal with this status and code, and all of `told` in its message.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, told: &[&str]) {
        let body = self.text();
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{body}");
        let message = error["message"].as_str().expect("a message");
        for part in told {
            assert!(message.contains(part), "{part:?} is missing in {message:?}");
        }
    }
}

/// Whether the other side closes without another word.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

/// Leaves without waiting for the answer.
pub fn leave(stream: TcpStream) {
    stream.shutdown(Shutdown::Both).expect("a connection");
}

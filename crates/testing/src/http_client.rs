//! An `infer serve` process for a test, and an HTTP client for well-formed and malformed requests.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::Run;

/// Time limit of every wait. No step of a test takes as long, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A running `infer serve`, killed when dropped.
pub struct Server {
    child: Child,
    /// `HOST:PORT` of the server.
    pub address: String,
    log: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts a server on a free port and waits until it listens.
    pub fn start(run: &Run, arguments: &[&str]) -> Self {
        let folder = run.path().to_str().expect("text");
        Self::start_with(&[&["--model", folder], arguments].concat())
    }

    /// Starts a server with all of its options but the device and the address.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut command = Command::new(crate::binary("infer"));
        command.args(["serve", "--device", "flex", "--listen", "127.0.0.1:0"]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a binary that starts");
        let (sender, log) = mpsc::channel();
        let stderr = child.stderr.take().expect("standard error");
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                // The receiver is gone when the test has ended.
                drop(sender.send(line.expect("text")));
            }
        });
        let mut server = Self { child, address: String::new(), log: Mutex::new(log) };
        let line = server.wait_for(|line| line.contains("listening on http://"));
        let (_, address) = line.split_once("http://").expect("a URL");
        // A quotation mark ends it in JSON.
        server.address = address.split('"').next().expect("an address").to_string();
        server
    }

    /// Waits for a line on standard error with this prefix.
    pub fn wait_for_line(&self, prefix: &str) -> String {
        self.wait_for(|line| line.starts_with(prefix))
    }

    /// Waits for a line on standard error that fits.
    pub fn wait_for(&self, fits: impl Fn(&str) -> bool) -> String {
        let log = self.log.lock().expect("one reader");
        let mut earlier = Vec::new();
        loop {
            let line = log.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("no such line among {earlier:?}"));
            if fits(&line) {
                return line;
            }
            earlier.push(line);
        }
    }

    /// A new connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a server that listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a socket");
        stream
    }

    /// Sends a GET request.
    pub fn get(&self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"))
    }

    /// The bytes of a POST request with a JSON body.
    pub fn post_bytes(path: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let body = body.as_ref();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// Sends a POST request with a JSON body.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.send(Self::post_bytes(path, body))
    }

    /// Sends a request to `/translate`.
    pub fn translate(&self, body: Value) -> Response {
        self.post("/translate", body.to_string())
    }

    /// The translations in the response to a valid request.
    pub fn translations(&self, body: Value) -> Vec<Value> {
        let response = self.translate(body);
        let text = response.text();
        assert_eq!(response.status, 200, "{text}");
        response.json()["translations"].as_array().unwrap_or_else(|| panic!("{text}")).clone()
    }

    /// Sends bytes on a new connection and reads one response.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Response {
        let mut stream = self.connect();
        // A server that has responded early need not read the rest.
        drop(stream.write_all(bytes.as_ref()));
        Response::read(&mut stream).expect("a response")
    }

    /// The value of a series in `/metrics`; zero if the series is absent.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Waits until a series in `/metrics` has this value.
    pub fn wait_for_metric(&self, name: &str, expected: f64) {
        let start = Instant::now();
        while self.metric(name) != expected {
            assert!(start.elapsed() < TIMEOUT, "{name} is {}, not {expected}", self.metric(name));
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("a `kill`").success());
    }

    /// Waits for the end of the process and returns its exit code.
    pub fn wait_for_exit(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(start.elapsed() < TIMEOUT, "the server does not exit");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if the process has exited by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    head: String,
    /// Body, with the length that the head declares.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads exactly one response.
    pub fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(|_| invalid("a head that is not text"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut response = Self { status: status.ok_or_else(|| invalid(&head))?, head, body: Vec::new() };
        let length = response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        response.body.resize(length, 0);
        stream.read_exact(&mut response.body)?;
        Ok(response)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Asserts an error response with this status and code, and all of `parts` in its message.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str, parts: &[&str]) {
        let body = self.text();
        assert_eq!(self.status, status, "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{body}");
        let message = error["message"].as_str().expect("a message");
        for part in parts {
            assert!(message.contains(part), "{part:?} is missing in {message:?}");
        }
    }
}

/// Whether the server closes the connection without sending another byte.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

/// Closes the connection without reading a response.
pub fn disconnect(stream: TcpStream) {
    stream.shutdown(Shutdown::Both).expect("a connection");
}

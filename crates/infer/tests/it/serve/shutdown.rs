//! Shutdown: accepted requests are finished, and new ones rejected.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::slow;
use testing::http_client::{Response, Server, is_closed};
use testing::run::Run;

#[test]
fn shutdown_finishes_accepted_requests() {
    for signal in ["INT", "TERM"] {
        let run = slow();
        let mut server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1", "--timeout", "600"]);
        let mut idle = server.connect();
        idle.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        assert_eq!(Response::read(&mut idle).unwrap().status, 200);
        let mut working = server.connect();
        // Two of the texts wait in the queue when the signal arrives.
        let request = json!({ "texts": ["1", "2", "3"] }).to_string();
        working.write_all(&Server::post_bytes("/translate", request)).unwrap();
        server.wait_for_metric("attend_queue_texts", 2.0);

        server.signal(signal);
        server.wait_for_line("stopping");
        assert!(is_closed(&mut idle), "an idle connection is closed");
        let health = server.get("/health");
        assert_eq!((health.status, &health.json()["status"]), (503, &json!("stopping")));
        let rejected = server.translate(json!({ "text": "1" }));
        rejected.assert_error(503, "stopping", &["the server is shutting down"]);
        assert_eq!(rejected.header("connection"), Some("close"));
        server.post("/attend", "{\"text\": \"1\"}").assert_error(503, "stopping", &[]);

        let response = Response::read(&mut working).unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["translations"].as_array().unwrap().len(), 3);
        server.wait_for_line("stopped");
        assert_eq!(server.wait_for_exit(), Some(0), "{signal}");
    }
}

#[test]
fn an_idle_server_exits_at_once() {
    let run = Run::new();
    let mut server = Server::start(&run, &[]);
    let mut silent = server.connect();
    assert_eq!(server.get("/health").status, 200);
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(is_closed(&mut silent));
}

#[test]
fn signals_work_from_the_start() {
    let run = Run::new();
    for _ in 0..10 {
        let mut server = Server::start(&run, &[]);
        server.signal("TERM");
        assert_eq!(server.wait_for_exit(), Some(0));
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    let run = slow();
    let mut server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1"]);
    let mut working = server.connect();
    let request = json!({ "texts": vec!["1"; 60] }).to_string();
    working.write_all(&Server::post_bytes("/translate", request)).unwrap();
    server.wait_for_metric("attend_batch_texts_count", 1.0);
    server.signal("TERM");
    server.wait_for_line("stopping");
    server.signal("INT");
    assert_eq!(server.wait_for_exit(), Some(130));
    assert!(is_closed(&mut working));
}

#[test]
fn shutdown_has_a_time_limit() {
    let run = slow();
    let mut server =
        Server::start(&run, &["--threads", "1", "--batch-tokens", "1", "--timeout", "0.5", "--read-timeout", "0.5"]);
    thread::scope(|scope| {
        let server = &server;
        scope.spawn(|| {
            let request = json!({ "texts": vec!["1"; 60] }).to_string();
            server.post("/translate", request).assert_error(504, "deadline_exceeded", &[]);
        });
        server.wait_for_metric("attend_batch_texts_count", 1.0);
        server.signal("TERM");
    });
    assert_eq!(server.wait_for_exit(), Some(0));
}

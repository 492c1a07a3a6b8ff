//! The end: what was accepted is finished, and nothing else is begun.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::slow;
use testing::http_client::{Answer, Server, is_closed};
use testing::run::Run;

#[test]
fn accepted_requests_are_answered_and_new_ones_sent_away() {
    for signal in ["INT", "TERM"] {
        let run = slow();
        let mut server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1"]);
        let mut idle = server.connect();
        idle.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&mut idle).unwrap().status, 200);
        let mut working = server.connect();
        // Some of it waits in the queue when the signal comes.
        let request = json!({ "texts": ["1", "2", "3"] }).to_string();
        working.write_all(&Server::posting("/translate", request)).unwrap();
        server.metric_becomes("attend_queue_texts", 2.0);

        server.signal(signal);
        server.hears("stopping");
        assert!(is_closed(&mut idle), "a connection without a request is of no use any more");
        let health = server.get("/health");
        assert_eq!((health.status, &health.json()["status"]), (503, &json!("stopping")));
        let refused = server.translate(json!({ "text": "1" }));
        refused.refused(503, "stopping", &["the server is stopping"]);
        assert_eq!(refused.header("connection"), Some("close"));
        server.post("/attend", "{\"text\": \"1\"}").refused(503, "stopping", &[]);

        let answer = Answer::read(&mut working).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["translations"].as_array().unwrap().len(), 3);
        server.hears("stopped");
        assert_eq!(server.ends(), Some(0), "{signal}");
    }
}

#[test]
fn without_work_it_ends_at_once() {
    let run = Run::new();
    let mut server = Server::start(&run, &[]);
    let mut silent = server.connect();
    assert_eq!(server.get("/health").status, 200);
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.ends(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(is_closed(&mut silent));
}

#[test]
fn a_signal_is_heard_from_the_first_moment() {
    let run = Run::new();
    for _ in 0..10 {
        let mut server = Server::start(&run, &[]);
        server.signal("TERM");
        assert_eq!(server.ends(), Some(0));
    }
}

#[test]
fn a_second_signal_does_not_wait() {
    let run = slow();
    let mut server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1"]);
    let mut working = server.connect();
    let request = json!({ "texts": vec!["1"; 60] }).to_string();
    working.write_all(&Server::posting("/translate", request)).unwrap();
    server.metric_becomes("attend_batch_texts_count", 1.0);
    server.signal("TERM");
    server.hears("stopping");
    server.signal("INT");
    assert_eq!(server.ends(), Some(130));
    assert!(is_closed(&mut working));
}

#[test]
fn what_cannot_be_finished_in_time_is_given_up() {
    let run = slow();
    let mut server =
        Server::start(&run, &["--threads", "1", "--batch-tokens", "1", "--timeout", "0.5", "--read-timeout", "0.5"]);
    thread::scope(|scope| {
        let server = &server;
        scope.spawn(|| {
            let request = json!({ "texts": vec!["1"; 60] }).to_string();
            server.post("/translate", request).refused(504, "timed_out", &[]);
        });
        server.metric_becomes("attend_batch_texts_count", 1.0);
        server.signal("TERM");
    });
    assert_eq!(server.ends(), Some(0));
}

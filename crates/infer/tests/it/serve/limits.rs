//! Every limit of the server, and the status of a request that exceeds it.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::slow;
use testing::http_client::{Response, Server, disconnect, is_closed};
use testing::run::Run;

#[test]
fn bodies_up_to_the_limit_are_accepted() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-body", "100"]);
    let body = |length: usize| format!("{{\"text\": \"{}1\"}}", " ".repeat(length - 13));
    assert_eq!(server.post("/translate", body(100)).status, 200);
    for length in [101, 700, 5_000_000] {
        server.post("/translate", body(length)).assert_error(413, "body_too_large", &["100 bytes", "--max-body"]);
    }
    // Without a declared length.
    let chunk = format!("32\r\n{}\r\n", "x".repeat(50));
    let head = "POST /translate HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    server.send(format!("{head}{}0\r\n\r\n", chunk.repeat(3))).assert_error(413, "body_too_large", &[]);
    // With `Expect`, the response comes before the body.
    let mut stream = server.connect();
    let head = head.replace("transfer-encoding: chunked", "content-length: 101\r\nexpect: 100-continue");
    stream.write_all(head.as_bytes()).unwrap();
    Response::read(&mut stream).unwrap().assert_error(413, "body_too_large", &[]);
    assert_eq!(server.metric("attend_rejected_total{reason=\"body_too_large\"}"), 5.0);
}

#[test]
fn requests_have_a_maximum_of_texts() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-texts", "3"]);
    assert_eq!(server.translations(json!({ "texts": ["1", "2", "3"] })).len(), 3);
    let response = server.translate(json!({ "texts": ["1", "2", "3", "4"] }));
    response.assert_error(422, "too_many_texts", &["4 texts", "at most 3", "--max-texts"]);
}

#[test]
fn attend_has_a_maximum_of_tokens() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-attend-tokens", "4"]);
    let attend =
        |text: &str, target: &str| server.post("/attend", json!({ "text": text, "target": target }).to_string());
    assert_eq!(attend("1 2 3", "1 2 3").status, 200);
    attend("1 2 3 4", "1").assert_error(422, "too_long_to_show", &["the text has 5 tokens", "at most 4"]);
    attend("1", "1 2 3 4").assert_error(422, "too_long_to_show", &["the target has 5 tokens", "--max-attend-tokens"]);
    // The model's own translation has the same limit.
    let long_winded = Server::start(&run, &["--max-attend-tokens", "4", "--min-length", "4", "--max-length", "5"]);
    let response = long_winded.post("/attend", "{\"text\": \"1 2 3\"}");
    response.assert_error(
        422,
        "too_long_to_show",
        &["the translation has 5 tokens", "at most 4", "--max-attend-tokens"],
    );
}

#[test]
fn a_full_queue_returns_retry_after() {
    let run = slow();
    let server = Server::start(
        &run,
        &["--threads", "1", "--max-texts", "2", "--max-queue", "2", "--batch-tokens", "1", "--timeout", "600"],
    );
    thread::scope(|scope| {
        let first = scope.spawn(|| server.translate(json!({ "text": "1" })).status);
        // The only worker has taken it.
        server.wait_for_metric("attend_batch_texts_count", 1.0);
        let second = scope.spawn(|| server.translate(json!({ "texts": ["1", "2"] })).status);
        server.wait_for_metric("attend_queue_texts", 2.0);
        let rejected = server.translate(json!({ "text": "3" }));
        rejected.assert_error(503, "queue_full", &["2 texts are waiting", "more than 2 (--max-queue)"]);
        assert_eq!(rejected.header("retry-after"), Some("1"));
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (200, 200));
    });
    assert_eq!(server.translate(json!({ "text": "3", "max_length": 2 })).status, 200, "the queue has room again");
}

#[test]
fn timeouts_cancel_waiting_texts() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1", "--timeout", "0.05"]);
    let texts = vec!["1 2 3"; 20];
    let response = server.translate(json!({ "texts": texts, "max_length": 1000 }));
    response.assert_error(504, "deadline_exceeded", &["0.05 seconds", "--timeout"]);
    assert_waiting_texts_were_cancelled(&server, texts.len());
}

/// Only the rows that the engine decodes together leave the queue, however many would fit by their tokens.
#[test]
fn workers_take_few_short_texts_at_a_time() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1", "--timeout", "0.05"]);
    let texts = vec!["1"; 64];
    let response = server.translate(json!({ "texts": texts, "max_length": 600 }));
    response.assert_error(504, "deadline_exceeded", &[]);
    assert_waiting_texts_were_cancelled(&server, texts.len());
}

#[test]
fn disconnects_cancel_waiting_texts() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1"]);
    let texts = vec!["1 2 3"; 20];
    let mut stream = server.connect();
    let body = json!({ "texts": texts, "max_length": 1000 }).to_string();
    stream.write_all(&Server::post_bytes("/translate", body)).unwrap();
    server.wait_for_metric("attend_batch_texts_count", 1.0);
    disconnect(stream);
    server.wait_for_metric("attend_disconnected_total", 1.0);
    assert_waiting_texts_were_cancelled(&server, texts.len());
}

/// Asserts that some of `texts` were cancelled, and that exactly the others are decoded.
fn assert_waiting_texts_were_cancelled(server: &Server, texts: usize) {
    assert_eq!(server.metric("attend_queue_texts"), 0.0);
    let cancelled = server.metric("attend_cancelled_texts_total");
    assert!(cancelled > 0.0 && cancelled < texts as f64, "{cancelled} of {texts}");
    server.wait_for_metric("attend_texts_total", texts as f64 - cancelled);
    assert_eq!(server.translate(json!({ "text": "1", "max_length": 2 })).status, 200);
    assert_eq!(server.metric("attend_texts_total"), texts as f64 - cancelled + 1.0);
}

#[test]
fn slow_senders_time_out() {
    let run = Run::new();
    let server = Server::start(&run, &["--read-timeout", "0.3"]);
    let request = Server::post_bytes("/translate", "{\"text\": \"1\"}");
    for (sent, what) in [(request.len() - 3, "a body"), (30, "a head")] {
        let mut stream = server.connect();
        stream.write_all(&request[..sent]).unwrap();
        let response = Response::read(&mut stream).unwrap_or_else(|error| panic!("{what}: {error}"));
        response.assert_error(408, "request_timeout", &["0.3 seconds", "--read-timeout"]);
        assert!(is_closed(&mut stream), "{what}");
    }
    // Single bytes do not extend the time limit.
    let mut stream = server.connect();
    let start = Instant::now();
    let mut sent = 0;
    while stream.write_all(&request[sent..sent + 1]).is_ok() && start.elapsed() < Duration::from_secs(20) {
        sent = (sent + 1).min(100);
        thread::sleep(Duration::from_millis(30));
    }
    assert!(start.elapsed() < Duration::from_secs(10), "still open after {:?}", start.elapsed());
    assert_eq!(server.metric("attend_rejected_total{reason=\"request_timeout\"}"), 3.0);
}

/// The time of a connection without a request has an option of its own (hyperium/hyper#3666).
#[test]
fn idle_connections_time_out() {
    let run = Run::new();
    let server = Server::start(&run, &["--idle-timeout", "0.3", "--read-timeout", "60"]);
    let request = b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut fresh = server.connect();
    let mut used = server.connect();
    used.write_all(request).unwrap();
    assert_eq!(Response::read(&mut used).unwrap().status, 200);
    // Closed without a response.
    assert!(is_closed(&mut fresh) && is_closed(&mut used));

    let patient = Server::start(&run, &["--idle-timeout", "60", "--read-timeout", "0.3"]);
    let mut stream = patient.connect();
    for _ in 0..2 {
        thread::sleep(Duration::from_millis(600));
        stream.write_all(request).unwrap();
        assert_eq!(Response::read(&mut stream).unwrap().status, 200, "idle for longer than a head may take");
    }
}

/// A text that is being translated keeps its connection, however long it takes.
#[test]
fn busy_connections_are_not_idle() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1", "--idle-timeout", "0.02", "--read-timeout", "0.02"]);
    let body = json!({ "text": "1 2 3" }).to_string();
    let start = Instant::now();
    assert_eq!(server.post("/translate", body).status, 200);
    assert!(start.elapsed() > Duration::from_millis(20), "too fast to be a test");
}

#[test]
fn clients_that_never_read_time_out() {
    let run = Run::new();
    let server = Server::start(&run, &["--read-timeout", "0.5"]);
    let mut stream = server.connect();
    // 2000 responses with the page exceed every buffer between server and client.
    stream.write_all("GET / HTTP/1.1\r\nhost: test\r\n\r\n".repeat(2000).as_bytes()).unwrap();
    server.wait_for_metric("attend_connections", 2.0);
    server.wait_for_metric("attend_connections", 1.0);
    assert!(
        server.metric("attend_requests_total{path=\"/\",status=\"200\"}") < 2000.0,
        "every response fitted into buffers"
    );
}

#[test]
fn incomplete_bodies_do_no_harm() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let request = Server::post_bytes("/translate", "{\"text\": \"1\"}");
    for sent in [1, request.len() - 20, request.len() - 1] {
        let mut stream = server.connect();
        stream.write_all(&request[..sent]).unwrap();
        disconnect(stream);
    }
    assert_eq!(server.get("/health").status, 200);
    server.wait_for_metric("attend_connections", 1.0);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-connections", "1"]);
    let first = server.connect();
    let mut second = server.connect();
    second.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(Response::read(&mut second).is_err(), "accepted beyond the limit");
    disconnect(first);
    second.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(Response::read(&mut second).unwrap().status, 200);
}

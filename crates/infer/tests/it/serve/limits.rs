//! Every limit, with the status that tells it.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::slow;
use testing::http_client::{Answer, Server, is_closed, leave};
use testing::run::Run;

#[test]
fn a_body_may_be_as_large_as_the_limit() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-body", "100"]);
    let body = |length: usize| format!("{{\"text\": \"{}1\"}}", " ".repeat(length - 13));
    assert_eq!(server.post("/translate", body(100)).status, 200);
    for length in [101, 700, 5_000_000] {
        server.post("/translate", body(length)).refused(413, "body_too_large", &["100 bytes", "--max-body"]);
    }
    // Of a length that is not announced.
    let chunk = format!("32\r\n{}\r\n", "x".repeat(50));
    let head = "POST /translate HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    server.raw(format!("{head}{}0\r\n\r\n", chunk.repeat(3))).refused(413, "body_too_large", &[]);
    // Who asks first is spared the sending.
    let mut stream = server.connect();
    let head = head.replace("transfer-encoding: chunked", "content-length: 101\r\nexpect: 100-continue");
    stream.write_all(head.as_bytes()).unwrap();
    Answer::read(&mut stream).unwrap().refused(413, "body_too_large", &[]);
    assert_eq!(server.metric("attend_rejected_total{reason=\"body_too_large\"}"), 5.0);
}

#[test]
fn a_request_may_have_as_many_texts_as_the_limit() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-texts", "3"]);
    assert_eq!(server.translations(json!({ "texts": ["1", "2", "3"] })).len(), 3);
    let answer = server.translate(json!({ "texts": ["1", "2", "3", "4"] }));
    answer.refused(422, "too_many_texts", &["4 texts", "at most 3", "--max-texts"]);
}

#[test]
fn attention_is_shown_of_texts_up_to_the_limit() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-attend-tokens", "4"]);
    let attend =
        |text: &str, target: &str| server.post("/attend", json!({ "text": text, "target": target }).to_string());
    assert_eq!(attend("1 2 3", "1 2 3").status, 200);
    attend("1 2 3 4", "1").refused(422, "too_long_to_show", &["the text has 5 tokens", "at most 4"]);
    attend("1", "1 2 3 4").refused(422, "too_long_to_show", &["the target has 5 tokens", "--max-attend-tokens"]);
    // What the model says by itself is held to the limit, too.
    let talkative = Server::start(&run, &["--max-attend-tokens", "4", "--min-length", "4", "--max-length", "5"]);
    let answer = talkative.post("/attend", "{\"text\": \"1 2 3\"}");
    answer.refused(422, "too_long_to_show", &["the translation has 5 tokens", "at most 4", "--max-attend-tokens"]);
}

#[test]
fn a_full_queue_asks_to_come_again() {
    let run = slow();
    let server =
        Server::start(&run, &["--threads", "1", "--max-texts", "2", "--max-queue", "2", "--batch-tokens", "1"]);
    thread::scope(|scope| {
        let first = scope.spawn(|| server.translate(json!({ "text": "1" })).status);
        // Taken by the only worker.
        server.metric_becomes("attend_batch_texts_count", 1.0);
        let second = scope.spawn(|| server.translate(json!({ "texts": ["1", "2"] })).status);
        server.metric_becomes("attend_queue_texts", 2.0);
        let refused = server.translate(json!({ "text": "3" }));
        refused.refused(503, "queue_full", &["2 texts are waiting", "more than 2 (--max-queue)"]);
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (200, 200));
    });
    assert_eq!(server.translate(json!({ "text": "3", "max_length": 2 })).status, 200, "there is place again");
}

#[test]
fn who_waits_too_long_is_told_and_what_has_not_begun_is_not_begun() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1", "--timeout", "0.05"]);
    let texts = vec!["1 2 3"; 20];
    let answer = server.translate(json!({ "texts": texts, "max_length": 1000 }));
    answer.refused(504, "timed_out", &["0.05 seconds", "--timeout"]);
    nothing_more_is_decoded(&server, texts.len());
}

/// However many texts a batch could hold by its tokens: only what is decoded together leaves the queue.
#[test]
fn of_many_short_texts_few_have_begun() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1", "--timeout", "0.05"]);
    let texts = vec!["1"; 64];
    let answer = server.translate(json!({ "texts": texts, "max_length": 600 }));
    answer.refused(504, "timed_out", &[]);
    nothing_more_is_decoded(&server, texts.len());
}

#[test]
fn what_a_client_leaves_behind_is_not_begun() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1", "--batch-tokens", "1"]);
    let texts = vec!["1 2 3"; 20];
    let mut stream = server.connect();
    let body = json!({ "texts": texts, "max_length": 1000 }).to_string();
    stream.write_all(&Server::posting("/translate", body)).unwrap();
    server.metric_becomes("attend_batch_texts_count", 1.0);
    leave(stream);
    server.metric_becomes("attend_disconnected_total", 1.0);
    nothing_more_is_decoded(&server, texts.len());
}

/// Of so many texts, those that had not begun are forgotten.
fn nothing_more_is_decoded(server: &Server, texts: usize) {
    assert_eq!(server.metric("attend_queue_texts"), 0.0);
    let forgotten = server.metric("attend_forgotten_texts_total");
    assert!(forgotten > 0.0 && forgotten < texts as f64, "{forgotten} of {texts}");
    server.metric_becomes("attend_texts_total", texts as f64 - forgotten);
    assert_eq!(server.translate(json!({ "text": "1", "max_length": 2 })).status, 200);
    assert_eq!(server.metric("attend_texts_total"), texts as f64 - forgotten + 1.0);
}

#[test]
fn slow_senders_are_cut_off() {
    let run = Run::new();
    let server = Server::start(&run, &["--read-timeout", "0.3"]);
    let request = Server::posting("/translate", "{\"text\": \"1\"}");
    for (sent, what) in [(request.len() - 3, "a body"), (30, "a head")] {
        let mut stream = server.connect();
        stream.write_all(&request[..sent]).unwrap();
        let answer = Answer::read(&mut stream).unwrap_or_else(|error| panic!("{what}: {error}"));
        answer.refused(408, "too_slow", &["0.3 seconds", "--read-timeout"]);
        assert!(is_closed(&mut stream), "{what}");
    }
    // A byte now and then makes no difference.
    let mut stream = server.connect();
    let began = Instant::now();
    let mut sent = 0;
    while stream.write_all(&request[sent..sent + 1]).is_ok() && began.elapsed() < Duration::from_secs(20) {
        sent = (sent + 1).min(100);
        thread::sleep(Duration::from_millis(30));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "still open after {:?}", began.elapsed());
    // A connection that says nothing is closed without a word.
    assert!(is_closed(&mut server.connect()));
    assert_eq!(server.metric("attend_rejected_total{reason=\"too_slow\"}"), 3.0);
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    let run = Run::new();
    let server = Server::start(&run, &["--read-timeout", "0.5"]);
    let mut stream = server.connect();
    // The answers, of the page's size each, are far more than any buffer on the way holds.
    stream.write_all("GET / HTTP/1.1\r\nhost: test\r\n\r\n".repeat(2000).as_bytes()).unwrap();
    server.metric_becomes("attend_connections", 2.0);
    server.metric_becomes("attend_connections", 1.0);
    assert!(server.metric("attend_requests_total{path=\"/\",status=\"200\"}") < 2000.0, "all of it found room");
}

#[test]
fn a_body_that_breaks_off_is_no_harm() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let request = Server::posting("/translate", "{\"text\": \"1\"}");
    for sent in [1, request.len() - 20, request.len() - 1] {
        let mut stream = server.connect();
        stream.write_all(&request[..sent]).unwrap();
        leave(stream);
    }
    assert_eq!(server.get("/health").status, 200);
    server.metric_becomes("attend_connections", 1.0);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-connections", "1"]);
    let first = server.connect();
    let mut second = server.connect();
    second.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(Answer::read(&mut second).is_err(), "not its turn");
    leave(first);
    second.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(Answer::read(&mut second).unwrap().status, 200);
}

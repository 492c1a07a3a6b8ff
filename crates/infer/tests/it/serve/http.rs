//! HTTP beside JSON: codings, methods, other origins, expectations and closed connections.

use std::io::{Read, Write};
use std::net::Shutdown;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use testing::http_client::{Response, Server, is_closed};
use testing::run::Run;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A POST request to `/translate` with more header lines.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let request = Server::post_bytes("/translate", body);
    let at = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    [&request[..at], b"\r\n", headers.as_bytes(), &request[at..]].concat()
}

/// A request without a body. The response is read until the connection closes, since that to `HEAD` has no body.
fn send(server: &Server, method: &str, path: &str, headers: &str) -> String {
    let mut stream = server.connect();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// A coding is decoded or rejected, never ignored (google/certificate-transparency#1109, tower-rs/tower-http#276).
#[test]
fn content_codings_are_decoded_or_named() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-body", "1000"]);
    let body = json!({ "text": "3 1 4" }).to_string();
    let expected = server.translations(json!({ "text": "3 1 4" }));
    for coding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
        let response = server.send(post(&format!("content-encoding: {coding}"), &gzip(body.as_bytes())));
        assert_eq!((response.status, &response.json()["translations"]), (200, &json!(expected)), "{coding}");
    }
    assert_eq!(server.send(post("content-encoding: identity", body.as_bytes())).status, 200);
    for coding in ["br", "deflate", "gzip, gzip", "zstd"] {
        let response = server.send(post(&format!("content-encoding: {coding}"), body.as_bytes()));
        response.assert_error(415, "wrong_content_encoding", &[coding, "gzip or identity"]);
        assert_eq!(response.header("accept-encoding"), Some("gzip, identity"));
    }
    let gzipped = gzip(body.as_bytes());
    for damaged in [body.as_bytes(), &gzipped[..gzipped.len() - 4], b""] {
        let response = server.send(post("content-encoding: gzip", damaged));
        response.assert_error(400, "not_gzip", &["the body is not gzip, which content-encoding declares"]);
    }
    // A bomb: 10 MB in a few bytes.
    let bomb = gzip(&[b' '; 10_000_000]);
    let one = gzip(&[&b"{\"text\": \""[..], &[b' '; 1000]].concat());
    for compressed in [&bomb[..], &one] {
        let response = server.send(post("content-encoding: gzip", compressed));
        response.assert_error(413, "body_too_large", &["1000 bytes", "--max-body"]);
    }
}

/// Every path answers `HEAD` and `OPTIONS`, as checks of health use them (vmware-archive/healthcheck#29,
/// standardnotes/server#1038; RFC 9110, 9.3).
#[test]
fn every_path_answers_head_and_options() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    for (path, head, allow) in [
        ("/", 200, "GET, HEAD, OPTIONS"),
        ("/health", 200, "GET, HEAD, OPTIONS"),
        ("/metrics", 200, "GET, HEAD, OPTIONS"),
        ("/translate", 405, "POST, OPTIONS"),
        ("/attend", 405, "POST, OPTIONS"),
        ("*", 404, "GET, HEAD, POST, OPTIONS"),
    ] {
        let response = send(&server, "OPTIONS", path, "");
        assert!(response.starts_with("HTTP/1.1 204 "), "{path}: {response}");
        assert!(response.contains(&format!("allow: {allow}\r\n")), "{path}: {response}");
        if path != "*" {
            let response = send(&server, "HEAD", path, "");
            assert!(response.starts_with(&format!("HTTP/1.1 {head} ")), "{path}: {response}");
            assert!(response.ends_with("\r\n\r\n") && response.contains("content-length: "), "no body: {response}");
        }
    }
    assert!(send(&server, "OPTIONS", "/nowhere", "").starts_with("HTTP/1.1 404 "));
    assert!(server.metric("attend_requests_total{path=\"/translate\",status=\"204\"}") > 0.0, "counted as well");
}

const PREFLIGHT: &str = "access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n";

/// Without the option no page of another site can send a request.
#[test]
fn other_origins_are_allowed_by_option_only() {
    let run = Run::new();
    let origin = |origin: &str| format!("origin: {origin}\r\n");
    let closed = Server::start(&run, &[]);
    let response = send(&closed, "OPTIONS", "/translate", &(origin("https://a.org") + PREFLIGHT));
    assert!(!response.contains("access-control"), "{response}");

    let server = Server::start(&run, &["--allow-origin", "https://a.org", "--allow-origin", "http://localhost:3000"]);
    for (site, allowed) in
        [("https://a.org", true), ("http://localhost:3000", true), ("https://b.org", false), ("null", false)]
    {
        let response = send(&server, "OPTIONS", "/translate", &(origin(site) + PREFLIGHT));
        let header = format!("access-control-allow-origin: {site}\r\n");
        assert_eq!(response.contains(&header), allowed, "{site}: {response}");
        assert!(response.contains("access-control-allow-methods: GET,HEAD,POST\r\n"), "{response}");
        let headers = "authorization,content-encoding,content-type,x-api-key,x-request-id";
        assert!(response.contains(&format!("access-control-allow-headers: {headers}\r\n")), "{response}");
        let answered = server.send(post(origin(site).trim_end(), b"{\"text\": \"1\"}"));
        assert_eq!(answered.status, 200);
        assert_eq!(answered.header("access-control-allow-origin"), allowed.then_some(site));
        assert_eq!(answered.header("vary"), Some("origin"), "caches keep the answers apart");
        let rejected = server.send(post(origin(site).trim_end(), b"{"));
        assert_eq!((rejected.status, rejected.header("access-control-allow-origin")), (400, allowed.then_some(site)));
    }
    assert!(send(&server, "OPTIONS", "/translate", "").starts_with("HTTP/1.1 204 "), "not a preflight");
    assert!(send(&server, "OPTIONS", "/nowhere", "").starts_with("HTTP/1.1 404 "));

    let open = Server::start(&run, &["--allow-origin", "*"]);
    let response = send(&open, "OPTIONS", "/translate", &(origin("https://b.org") + PREFLIGHT));
    assert!(response.contains("access-control-allow-origin: *\r\n"), "{response}");
}

/// curl waits for this before it sends more than 1 MB (RFC 9110, 10.1.1).
#[test]
fn expected_bodies_are_invited() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let request = post("expect: 100-continue", b"{\"text\": \"1\"}");
    let at = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut stream = server.connect();
    stream.write_all(&request[..at]).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(interim, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&request[at..]).unwrap();
    assert_eq!(Response::read(&mut stream).unwrap().status, 200);
    // A head that is rejected invites no body.
    let head = String::from_utf8(request[..at].to_vec()).unwrap().replace("application/json", "text/plain");
    server.send(head).assert_error(415, "wrong_content_type", &[]);
}

/// A client that closes its side before the response counts as disconnected, and its texts are dropped.
#[test]
fn half_closed_connections_count_as_disconnects() {
    let run = super::slow();
    let server = Server::start(&run, &[]);
    let mut stream = server.connect();
    stream.write_all(&Server::post_bytes("/translate", "{\"text\": \"1 2 3\"}")).unwrap();
    server.wait_for_metric("attend_batch_texts_count", 1.0); // the translation has begun
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(is_closed(&mut stream));
    server.wait_for_metric("attend_disconnected_total", 1.0);
    assert_eq!(server.get("/health").status, 200);
}

//! Rejected requests: each kind has its own status and code, whatever its bytes.

use serde_json::json;

use testing::http_client::Server;
use testing::run::Run;

#[test]
fn invalid_requests_are_rejected() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    for (body, part) in [
        (json!({}), "expected `text` or `texts`"),
        (json!({ "text": "1", "texts": ["1"] }), "not both"),
        (json!({ "text": "1", "beams": 4 }), "unknown field `beams`"),
        (json!({ "text": 1 }), "invalid type: integer `1`, expected a string"),
        (json!({ "texts": "1" }), "expected a sequence"),
        (json!(["1"]), "expected an object"),
        (json!({ "text": "1", "beam": -1 }), "-1"),
        (json!({ "text": "1", "beam": 1.5 }), "1.5"),
        (json!({ "text": "1", "length_penalty": "wu" }), "length_penalty: expected a number or an object such as"),
        (json!({ "text": "1", "length_penalty": { "form": "wu" } }), "length_penalty: expected"),
        (json!({ "text": "1", "sample": true }), "invalid type: boolean `true`, expected a map"),
        (json!({ "text": "1", "sample": { "k": 1 } }), "unknown field `k`"),
        (json!({ "text": "1", "alignment": 1 }), "alignment: expected true, false or an object such as"),
        (json!({ "text": "1", "alignment": { "layer": 0 } }), "alignment: expected"),
        (json!({ "text": "1", "too_long": "cut" }), "expected one of `crop`, `skip`, `fail`"),
    ] {
        server.translate(body.clone()).assert_error(422, "invalid_request", &[part]);
    }
    server.post("/translate", r#"{"text": "1", "text": "2"}"#).assert_error(
        422,
        "invalid_request",
        &["duplicate field"],
    );
    for body in [json!({}), json!({ "text": "1", "targets": "1" }), json!({ "text": "1", "target": 1 })] {
        server.post("/attend", body.to_string()).assert_error(422, "invalid_request", &[]);
    }
    for fields in [json!(["1 2", null]), json!(["1 2", null, null, null])] {
        server.post("/attend", fields.to_string()).assert_error(422, "invalid_request", &["expected an object"]);
    }
    for path in ["/translate", "/attend"] {
        let body = json!({ "text": "1", "source_lang": "en" }).to_string();
        let expected = "source_lang = \"en\": expected no language: this model has no token for it";
        server.post(path, body).assert_error(422, "invalid_option", &[expected]);
    }
}

#[test]
fn options_out_of_range_are_rejected() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-beam", "5"]);
    for (body, part) in [
        (json!({ "text": "1", "beam": 6 }), &["beam = 6", "1 to 5", "--max-beam"][..]),
        (json!({ "text": "1", "beam": 0 }), &["beam = 0"]),
        (json!({ "text": "1", "beam": 2, "sample": {} }), &["beam = 2", "no `sample` in the same request"]),
        (json!({ "text": "1", "max_length": 25 }), &["max_length = 25", "model.max_length = 24"]),
        (json!({ "text": "1", "length_penalty": -1 }), &["alpha = -1", "at least 0"]),
        (json!({ "text": "1", "n_best": 6 }), &["n_best = 6", "1 to 5", "--max-beam"]),
        (json!({ "text": "1", "n_best": 2 }), &["n_best = 2", "1 to 1", "the beam"]),
        (json!({ "text": "1", "n_best": 0 }), &["n_best = 0"]),
        (json!({ "text": "1", "min_length": 25 }), &["min_length = 25", "at most"]),
        (json!({ "text": "1", "min_length_ratio": -1 }), &["min_length_ratio = -1"]),
        (json!({ "text": "1", "max_length_ratio": -1 }), &["max_length_ratio = -1"]),
        (json!({ "text": "1", "repetition_penalty": 0.5 }), &["repetition_penalty = 0.5", "at least 1"]),
        (json!({ "text": "1", "prefix": "1 ".repeat(24) }), &["prefix", "25 tokens"]),
        (json!({ "text": "1", "sample": { "top_p": 0 } }), &["top_p = 0", "at most 1"]),
        (json!({ "text": "1", "sample": { "temperature": 0 } }), &["temperature = 0", "above 0"]),
        (json!({ "text": "1", "alignment": { "layer": 2 } }), &["alignment.layer = 2", "1 to 1"]),
    ] {
        server.translate(body).assert_error(422, "invalid_option", part);
    }
    assert_eq!(server.translations(json!({ "text": "1", "beam": 5 })).len(), 1, "the limit itself is accepted");
}

/// Extreme numbers are rejected or give an odd translation.
#[test]
fn extreme_numbers_do_no_harm() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    for option in [
        r#""min_length_ratio": 1e308"#,
        r#""max_length_ratio": 1e308"#,
        r#""max_length_ratio": 0"#,
        r#""repetition_penalty": 1e308"#,
        r#""beam": 4, "length_penalty": 1e308"#,
        r#""beam": 4, "length_penalty": 1e-308"#,
        r#""no_repeat_ngram": 18446744073709551615"#,
        r#""min_length": 18446744073709551615"#,
        r#""max_length": 18446744073709551615"#,
        r#""beam": 18446744073709551615"#,
        r#""sample": {"temperature": 1e-308}"#,
        r#""sample": {"temperature": 1e308}"#,
        r#""sample": {"top_p": 1e-308}"#,
        r#""sample": {"top_k": 18446744073709551615, "seed": 18446744073709551615}"#,
        r#""alignment": {"head": 18446744073709551615}"#,
    ] {
        let response = server.post("/translate", format!(r#"{{"text": "3 1 4", {option}}}"#));
        assert!([200, 422].contains(&response.status), "{option}: {}", response.text());
    }
}

#[test]
fn bodies_that_are_not_json_are_rejected() {
    // Half a surrogate pair: anomalyco/opencode#14630
    let run = Run::new();
    let server = Server::start(&run, &[]);
    for body in
        ["", "{", "{\"text\": \"1\"} {", "text=1", "\u{feff}{\"text\": \"1\"}", "{\"text\": \"\\ud800\"}", "nan"]
    {
        server.post("/translate", body).assert_error(400, "not_json", &["the body is not JSON"]);
    }
    let deep = "[".repeat(100_000);
    server.post("/translate", format!("{{\"texts\": {deep}")).assert_error(422, "invalid_request", &[]);
    server.post("/translate", &deep).assert_error(422, "invalid_request", &[]);
    server.post("/translate", b"{\"text\": \"caf\xE9\"}").assert_error(400, "not_utf8", &["from byte 13"]);
}

#[test]
fn wrong_paths_methods_and_types_are_rejected() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    server.get("/nowhere").assert_error(404, "not_found", &["/nowhere", "/translate"]);
    server.post("/nowhere", "{}").assert_error(404, "not_found", &["/nowhere"]);
    let response = server.get("/translate");
    response.assert_error(405, "wrong_method", &["/translate", "GET"]);
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
    let response = server.post("/health", "{}");
    response.assert_error(405, "wrong_method", &["POST"]);
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
    for found in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request = String::from_utf8(Server::post_bytes("/translate", "{\"text\": \"1\"}")).unwrap();
        let response = server.send(request.replace("application/json", found));
        response.assert_error(415, "wrong_content_type", &[found, "application/json"]);
    }
    let request = String::from_utf8(Server::post_bytes("/translate", "{\"text\": \"1\"}")).unwrap();
    server.send(request.replace("content-type: application/json\r\n", "")).assert_error(
        415,
        "wrong_content_type",
        &["missing"],
    );
    assert_eq!(server.send(request.replace("application/json", "Application/JSON; charset=utf-8")).status, 200);
}

#[test]
fn texts_that_are_too_long_are_rejected() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let long = "1 ".repeat(24);
    let response = server.translate(json!({ "texts": ["1 2", "3", long], "too_long": "fail" }));
    response.assert_error(422, "too_long", &["text 3", "25 tokens", "24 (model.max_length)"]);
    let response = server.post("/attend", json!({ "text": long }).to_string());
    response.assert_error(422, "too_long", &["25 tokens"]);
    let response = server.post("/attend", json!({ "text": "1", "target": long }).to_string());
    response.assert_error(422, "too_long", &["the target", "25 tokens"]);
    for (text, target) in [("", "1"), ("1", " ")] {
        let response = server.post("/attend", json!({ "text": text, "target": target }).to_string());
        response.assert_error(422, "invalid_text", &["has no tokens"]);
    }
}

/// The server survives arbitrary bytes.
#[test]
fn bytes_that_are_not_http_are_rejected() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        assert_eq!(server.send(bytes).status, 400, "{bytes:?}");
    }
    let huge = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(server.send(huge).status, 431);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn bad_server_options_fail_at_the_start() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    run.serve(&["--listen", &server.address]).assert_rejected(&[
        "cannot listen on",
        &server.address,
        "in use",
        "--listen another ADDRESS:PORT",
    ]);
    run.serve(&["--listen", "nowhere"]).assert_rejected(&["cannot listen on nowhere", "ADDRESS:PORT"]);
    for option in
        ["--max-body", "--max-texts", "--max-beam", "--max-attend-tokens", "--max-connections", "--batch-tokens"]
    {
        let part = format!("{option} = 0");
        run.serve(&["--listen", "127.0.0.1:0", option, "0"]).assert_rejected(&[&part, "at least 1"]);
    }
    let ran = run.serve(&["--max-texts", "10", "--max-queue", "9"]);
    ran.assert_rejected(&["--max-queue = 9", "at least the 10 texts of the largest request"]);
    let ran = run.serve(&["--listen", "127.0.0.1:0", "--beam", "20"]);
    ran.assert_rejected(&["--beam = 20", "1 to 16 (--max-beam)"]);
    assert_eq!(Server::start(&run, &["--beam", "20", "--max-beam", "20"]).get("/health").status, 200);
    for origin in ["example.org", "https://example.org/page"] {
        let ran = run.serve(&["--listen", "127.0.0.1:0", "--allow-origin", origin]);
        ran.assert_rejected(&[&format!("--allow-origin = {origin}"), "https://example.org or"]);
    }
    for (option, value) in [
        ("--timeout", "0"),
        ("--idle-timeout", "0"),
        ("--timeout", "soon"),
        ("--read-timeout", "-1"),
        ("--timeout", "1e9"),
    ] {
        let ran = run.serve(&[&format!("{option}={value}")]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        ran.assert_stderr_contains(&[option, value, "a number of seconds above 0"]);
    }
}

//! Options for operators: the log, limits of clients, and several languages of a model.

use std::process::Command;

use serde_json::{Value, json};
use testing::ProcessOutput;
use testing::http_client::Server;
use testing::run::Run;

#[test]
fn each_request_is_a_line_of_json() {
    let run = Run::new();
    let server = Server::start(&run, &["--log-format", "json", "--log-requests"]);
    let request = "GET /health HTTP/1.1\r\nhost: test\r\nx-request-id: trace-1\r\nconnection: close\r\n\r\n";
    assert_eq!(server.send(request).header("x-request-id"), Some("trace-1"));
    server.translations(json!({ "text": "3 1 4" }));
    let line = |part: &str| -> Value {
        let line = server.wait_for(|line| line.contains(part));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let health = line("trace-1");
    assert_eq!((&health["level"], &health["message"]), (&json!("info"), &json!("request")));
    assert_eq!((&health["path"], &health["status"]), (&json!("/health"), &json!(200)));
    assert!(health["client"].as_str().is_some_and(|client| client.starts_with("127.")), "{health}");
    assert!(health["time"].as_f64() > Some(1.7e9), "{health}");
    let translated = line("/translate");
    assert_eq!((&translated["texts"], &translated["characters"]), (&json!(1), &json!(5)));
    assert!(!translated.to_string().contains("3 1 4"), "no texts");
}

#[test]
fn a_client_beyond_its_limit_waits() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-requests-per-minute", "2", "--log-requests"]);
    for _ in 0..2 {
        server.translations(json!({ "text": "1" }));
    }
    let rejected = server.translate(json!({ "text": "1" }));
    assert_eq!((rejected.status, &rejected.json()["error"]["code"]), (429, &json!("client_limit")));
    assert!(rejected.header("retry-after").is_some());
    let line = server.wait_for_line("429 POST /translate");
    assert!(line.contains("error=client_limit"), "{line}");
}

/// Windows editors begin a file with a byte order mark.
#[test]
fn keys_may_follow_a_byte_order_mark() {
    let run = Run::new();
    run.write("keys", "\u{feff}first\r\n \u{feff}second \r\n");
    let server = Server::start(&run, &["--api-keys", run.file("keys").to_str().expect("text")]);
    for (key, status) in [("first", 200), ("second", 200), ("third", 401)] {
        let request = String::from_utf8(Server::post_bytes("/translate", r#"{"text": "1"}"#)).expect("text");
        let request = request.replacen("\r\n", &format!("\r\nx-api-key: {key}\r\n"), 1);
        assert_eq!(server.send(request).status, status, "{key}");
    }
    run.write("keys", "\u{feff}\n");
    let ran = run.serve(&["--api-keys", run.file("keys").to_str().expect("text")]);
    ran.assert_rejected(&["found no key", "expected a key per line"]);
}

#[test]
fn bad_options_of_models_are_named() {
    let run = Run::new();
    let folder = run.path().to_str().expect("text");
    let model = format!("en-de={folder}");
    for (arguments, code, part) in [
        (vec!["--model", &model, "--pivot", "fr"], 1, "--pivot = fr: expected a language of the models: de, en"),
        (vec!["--model", &model, "--model", &model], 2, "found en to de a second time"),
        (
            vec!["--model", &model, "--shortlist", "lex"],
            2,
            "--shortlist: found models with languages, expected one without",
        ),
        (vec!["--model", folder, "--pivot", "en"], 2, "--pivot: found a model without languages, expected some with"),
        (vec!["--model", &model, "--max-requests-per-minute", "0"], 1, "--max-requests-per-minute = 0"),
        (vec!["--model", &model, "--beam", "17"], 1, "--beam = 17: expected 1 to 16 (--max-beam)"),
        (vec!["--model", &model, "--log-format", "xml"], 2, "possible values: text, json"),
    ] {
        let mut command = Command::new(testing::binary("infer"));
        command.args(["serve", "--device", "flex", "--listen", "127.0.0.1:0"]).args(&arguments);
        let output = ProcessOutput::from(command.output().expect("a binary that starts"));
        let error = output.stderr;
        assert_eq!(output.code, Some(code), "{arguments:?}: {error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}

//! The counters of `/metrics`.

use serde_json::json;

use testing::http_client::Server;
use testing::run::Run;

#[test]
fn requests_texts_and_tokens_are_counted() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let translations = server.translations(json!({ "texts": ["1 2 3", "4", ""] }));
    server.translations(json!({ "text": "1 2 3" }));
    let target_tokens = |translation: &serde_json::Value| translation["tokens"].as_array().unwrap().len() as f64;
    let target: f64 = translations.iter().map(target_tokens).sum::<f64>() + target_tokens(&translations[0]);
    server.translate(json!({ "text": 1 }));
    server.post("/attend", "{\"text\": \"1\"}");
    server.get("/health");
    server.get("/nowhere");
    server.get("/made-up");
    server.get("/");

    for (name, expected) in [
        ("attend_requests_total{path=\"/translate\",status=\"200\"}", 2.0),
        ("attend_requests_total{path=\"/translate\",status=\"422\"}", 1.0),
        ("attend_requests_total{path=\"/attend\",status=\"200\"}", 1.0),
        ("attend_requests_total{path=\"/health\",status=\"200\"}", 1.0),
        ("attend_requests_total{path=\"/\",status=\"200\"}", 1.0),
        ("attend_requests_total{path=\"other\",status=\"404\"}", 2.0),
        ("attend_rejected_total{reason=\"invalid_request\"}", 1.0),
        ("attend_rejected_total{reason=\"not_found\"}", 2.0),
        ("attend_request_seconds_count{path=\"/translate\"}", 3.0),
        ("attend_request_seconds_bucket{path=\"/translate\",le=\"+Inf\"}", 3.0),
        ("attend_texts_total", 4.0),
        // `</s>` included; an empty text has no tokens.
        ("attend_source_tokens_total", 4.0 + 2.0 + 4.0),
        ("attend_target_tokens_total", target),
        ("attend_batch_texts_sum", 4.0),
        ("attend_queue_texts", 0.0),
        ("attend_disconnected_total", 0.0),
        ("attend_cancelled_texts_total", 0.0),
    ] {
        assert_eq!(server.metric(name), expected, "{name}");
    }
    assert!(server.metric("attend_uptime_seconds") > 0.0);
    // The request's own connection; an earlier one may take a moment to close.
    server.wait_for_metric("attend_connections", 1.0);
}

/// Prometheus rejects lines in any other format.
#[test]
fn metrics_have_the_text_format() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    server.translations(json!({ "text": "1" }));
    let response = server.get("/metrics");
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = response.text();
    let mut typed = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            typed = comment.split(' ').next().unwrap();
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(name.starts_with(typed), "{line} under {typed}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert_eq!(name.contains('{'), name.ends_with('}'), "{line}");
    }
    assert!(text.ends_with('\n'));
}

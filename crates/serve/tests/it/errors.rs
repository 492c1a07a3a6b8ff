//! Rejected requests and options.

use decode::DecodeError;
use serde_json::json;
use serve::{Limits, Listener, ServeError, Server};
use testing::Run;

use super::several::several;
use super::{Client, open, options};

#[tokio::test]
async fn errors_have_status_code_and_former_code() {
    let client = Client::new(|_| {});
    for (path, body, status, code, former) in [
        ("/nowhere", json!({}), 404, "not_found", None),
        ("/health", json!({}), 405, "wrong_method", None),
        ("/translate", json!({}), 422, "invalid_request", Some("not_a_request")),
        ("/translate", json!({ "text": "1", "beam": 0 }), 422, "invalid_option", Some("bad_option")),
        ("/translate", json!({ "text": "1 ".repeat(30) }), 422, "too_long", None),
        ("/attend", json!({ "text": "" }), 422, "invalid_text", Some("bad_text")),
    ] {
        let reply = client.post(path, body).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["code"]), (status, &json!(code)), "{path}");
        assert_eq!(error.get("former_code"), former.map(|former| json!(former)).as_ref(), "{code}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{code}");
    }
}

#[tokio::test]
async fn a_timeout_cancels_waiting_texts() {
    let client = Client::without_workers(10);
    let reply = client.post("/translate", json!({ "texts": ["1", "2", "3"] })).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (504, &json!("deadline_exceeded")));
    assert_eq!(error["former_code"], "timed_out");
    assert_eq!(client.metric("attend_queue_texts").await, 0.0);
    assert_eq!(client.metric("attend_cancelled_texts_total").await, 3.0);
    assert_eq!(client.metric("attend_forgotten_texts_total").await, 3.0, "the former name");
}

#[tokio::test]
async fn a_full_queue_rejects_whole_requests() {
    let client = Client::without_workers(2);
    let (waiting, rejected) = tokio::join!(client.post("/translate", json!({ "texts": ["1", "2"] })), async {
        while client.metric("attend_queue_texts").await < 2.0 {
            tokio::task::yield_now().await;
        }
        client.post("/translate", json!({ "text": "3" })).await
    });
    assert_eq!((rejected.status, &rejected.json()["error"]["code"]), (503, &json!("queue_full")));
    assert_eq!(waiting.status, 504);
}

#[test]
fn invalid_options_start_no_server() {
    let run = Run::new();
    let field = |change: &dyn Fn(&mut serve::ServeOptions)| {
        let trained = open(&run);
        let mut options = options(&trained);
        change(&mut options);
        match Server::new(trained, options) {
            Err(ServeError::Decode(DecodeError::Setting(error))) => error.field,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("a server"),
        }
    };
    assert_eq!(field(&|options| options.limits = Limits { texts: 0, ..Limits::default() }), "limits.max_texts");
    assert_eq!(field(&|options| options.limits = Limits { queue: 1, ..Limits::default() }), "limits.max_queue");
    assert_eq!(field(&|options| options.settings.decoding.beam = 17), "decoding.beam");
    assert_eq!(field(&|options| options.batch_tokens = 0), "batch_tokens");
    assert_eq!(field(&|options| options.allow_origins = vec!["example.org".to_string()]), "allow_origin");
}

/// The beam of a run is known when it is opened.
#[tokio::test]
async fn a_model_with_too_large_a_beam_is_not_opened() {
    let (client, runs) = several(|_, options| options.limits = Limits { beam: 2, ..Limits::default() });
    runs[0].configure("[decoding]", "[decoding]\nbeam = 3");
    for (model, status) in [("en-de", 503), ("de-fr", 200)] {
        let reply = client.post("/translate", json!({ "text": "1", "model": model })).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        if status == 503 {
            assert_eq!(reply.json()["error"]["code"], "model_not_opened");
            assert!(reply.text.contains("beam = 3: expected 1 to 2 (--max-beam)"), "{}", reply.text);
        }
    }
}

#[test]
fn a_taken_address_cannot_be_bound() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.address().to_string();
    let error = Listener::bind(&address).unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
}

//! Identifiers, records and limits of the requests of a client.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use serve::{Limits, RequestRecord};

use super::several::several;
use super::{Client, Reply};

impl Client {
    /// Translates a digit, with these headers.
    async fn with_headers(&self, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::post("/translate").header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::from("{\"text\":\"1\"}")).expect("a request")).await
    }
}

#[tokio::test]
async fn responses_have_the_identifier_of_the_request() {
    let client = Client::new(|_| {});
    let id = async |given: &str| {
        let reply = client.with_headers(&[("x-request-id", given)]).await;
        reply.header("x-request-id").expect("an identifier").to_string()
    };
    assert_eq!(id("trace-42").await, "trace-42");
    let (first, second) = (id("two words").await, id(&"x".repeat(200)).await);
    assert!(!first.contains(' ') && second.len() < 100, "{first} {second}");
    assert_ne!(first, second);
    let rejected = client.get("/nowhere").await;
    assert!(rejected.header("x-request-id").is_some_and(|id| !id.is_empty()));
}

#[tokio::test]
async fn records_have_no_texts() {
    let records: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = records.clone();
    let client = Client::new(|options| {
        options.behind_proxy = true;
        options.request_log = Some(Arc::new(move |record: &RequestRecord| {
            seen.lock().expect("one writer").push(json!(record));
        }));
    });
    client.with_headers(&[("x-request-id", "a"), ("x-forwarded-for", "192.0.2.1, 192.0.2.2")]).await;
    client.post("/translate", json!({ "text": "3 1\n4", "beam": 0 })).await;
    client.get("/health").await;
    let mut records = records.lock().expect("no writer").clone();
    assert!(records.iter_mut().all(|record| record["seconds"].take().as_f64().is_some()));
    let expected = json!({
        "id": "a", "client": "192.0.2.2", "method": "POST", "path": "/translate", "status": 200, "seconds": null,
        "models": ["small"], "texts": 1, "sentences": 1, "characters": 1,
    });
    assert_eq!(records[0], expected);
    assert_eq!((&records[1]["status"], &records[1]["error"]), (&json!(422), &json!("invalid_option")));
    assert_eq!((&records[2]["path"], records[2].get("texts")), (&json!("/health"), None));
}

#[tokio::test]
async fn requests_of_a_client_are_limited_by_address() {
    let client = Client::new(|options| {
        options.behind_proxy = true;
        options.limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
    });
    let from = async |address: &str| client.with_headers(&[("x-forwarded-for", address)]).await;
    for _ in 0..2 {
        assert_eq!(from("192.0.2.1").await.status, 200);
    }
    let rejected = from("192.0.2.1").await;
    assert_eq!((rejected.status, &rejected.json()["error"]["code"]), (429, &json!("client_limit")));
    let wait: u64 = rejected.header("retry-after").expect("a header").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(from("192.0.2.2").await.status, 200, "another client");
    assert_eq!(client.get("/health").await.status, 200, "no work");
}

#[tokio::test]
async fn characters_of_a_client_are_limited_by_key() {
    let (client, _runs) = several(|_, options| {
        options.api_keys = Some(vec!["one".to_string(), "two".to_string()]);
        options.limits = Limits { characters_per_minute: Some(6), ..Limits::default() };
    });
    let form =
        async |key: &str| client.form("/translate", &format!("q=3+1+4+1&source=en&target=de&api_key={key}")).await;
    assert_eq!(form("one").await.status, 200);
    let rejected = form("one").await;
    assert_eq!(rejected.status, 429);
    assert!(rejected.json()["error"].as_str().is_some_and(|error| error.contains("6 characters")), "{}", rejected.text);
    assert!(rejected.header("retry-after").is_some());
    assert_eq!(form("two").await.status, 200);
}

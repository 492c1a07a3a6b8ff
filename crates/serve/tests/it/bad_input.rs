//! Each field, form and header of a request that is wrong, with its status and message in both forms.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use super::several::several;
use super::{Client, Reply};

impl Client {
    /// Sends a body of a content type, with these headers.
    async fn send(&self, path: &str, content_type: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::from(body.to_string())).expect("a request")).await
    }
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Checks status and message of a rejection in LibreTranslate's form.
fn assert_libre(reply: &Reply, status: u16, part: &str, what: &str) {
    assert_eq!(reply.status, status, "{what}: {}", reply.text);
    assert!(reply.json()["error"].as_str().is_some_and(|error| error.contains(part)), "{what}: {}", reply.text);
}

/// Checks status, code and message of a rejection in the native form.
fn assert_native(reply: &Reply, status: u16, code: &str, part: &str, what: &Value) {
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (status, &json!(code)), "{what}: {}", reply.text);
    assert!(error["message"].as_str().is_some_and(|message| message.contains(part)), "{what}: {}", reply.text);
}

#[tokio::test]
async fn native_fields_are_named() {
    let (client, _runs) = several(|_, _| {});
    let pair = json!({ "source": "en", "target": "de" });
    for (path, mut body, code, part) in [
        ("/translate", json!({ "text": "1", "model": 1 }), "invalid_request", "expected a string"),
        ("/translate", json!({ "text": "1", "model": "fr-de" }), "unknown_model", "expected one of en-de, de-fr"),
        (
            "/translate",
            json!({ "text": "1", "source": "en", "target": ["de"] }),
            "invalid_request",
            "expected a string",
        ),
        ("/translate", json!({ "text": "1", "source": "en", "target": "xx" }), "unknown_pair", "en to xx"),
        ("/translate", json!({ "text": "1", "model": "en-de", "language": 1 }), "invalid_request", "expected a string"),
        ("/translate", json!({ "text": "1", "model": "en-de", "source_lang": "en" }), "invalid_option", "source_lang"),
        ("/attend", json!({ "text": "1", "pair": "en-de" }), "invalid_request", "expected an object"),
        ("/attend", json!({ "text": "1", "pair": { "source": "en" } }), "invalid_request", "missing field `target`"),
        ("/attend", json!({ "text": "1", "pair": pair, "model": "en-de" }), "invalid_request", "expected either"),
        ("/attend", json!({ "text": "1", "pair": { "source": "fr", "target": "de" } }), "unknown_pair", "fr to de"),
        ("/attend", json!({ "text": "1" }), "invalid_request", "the models are en-de, de-fr"),
    ] {
        let reply = client.post(path, body.take()).await;
        assert_native(&reply, 422, code, part, &json!([path, part]));
    }
}

#[tokio::test]
async fn attention_needs_one_model() {
    let (client, _runs) = several(|models, _| models.pivot = Some("de".to_string()));
    let body = json!({ "text": "1", "pair": { "source": "en", "target": "fr" } });
    assert_native(
        &client.post("/attend", body.clone()).await,
        422,
        "invalid_option",
        "pair: expected languages",
        &body,
    );
}

#[tokio::test]
async fn libretranslates_parameters_are_named() {
    let (client, _runs) = several(|_, _| {});
    for (form, part) in [
        ("source=en&target=de", "q"),
        ("q=1&target=de", "missing source"),
        ("q=1&source=en&source=de&target=de", "source = [\"en\",\"de\"]: expected a text"),
        ("q=1&source=en&target=de&format=pdf", "format = pdf"),
        ("q=1&source=en&target=de&alternatives=-1", "alternatives = -1"),
        ("q=1&source=en&target=de&alternatives=16", "at most 15"),
        ("q=1&source=en&target=de&api_key=a&api_key=b", "api_key = "),
        ("q=1&source=xx&target=de", "xx is not supported: expected one of de, en, fr"),
        ("q=1&source=auto&target=xx", "xx is not supported"),
    ] {
        assert_libre(&client.form("/translate", form).await, 400, part, form);
    }
    for (form, part) in
        [("", "missing q"), ("q=1&q=2", "q = [\"1\",\"2\"]: expected a text"), ("q=1&api_key=1&api_key=2", "api_key")]
    {
        assert_libre(&client.form("/detect", form).await, 400, part, form);
    }
    let long = format!("q=1&source=en&target=de&format={}", "x".repeat(500));
    let reply = client.form("/translate", &long).await;
    assert_libre(&reply, 400, "…: expected text or html", "a long value");
    assert!(reply.text.len() < 200, "{}", reply.text);
}

#[tokio::test]
async fn bodies_of_another_type_are_rejected() {
    let (client, _runs) = several(|_, _| {});
    let body = "--x\r\ncontent-disposition: form-data; name=\"q\"\r\n\r\n1\r\n--x--";
    let reply = client.send("/translate", "multipart/form-data; boundary=x", &[], body).await;
    assert_native(&reply, 415, "wrong_content_type", "multipart/form-data", &json!("multipart"));
    assert_libre(&client.send("/detect", "text/plain", &[], "q=1").await, 415, "text/plain", "text");
    assert_libre(&client.send("/detect", JSON, &[], "[\"q\"]").await, 400, "expected a map", "an array");
    assert_libre(&client.send("/detect", JSON, &[], "{").await, 400, "not JSON", "half an object");
    let query = "/translate?q=1&source=en&target=de";
    assert_libre(&client.send(query, JSON, &[], "{").await, 400, "not JSON", "a query and half an object");
    assert_eq!(client.send(query, JSON, &[], "").await.status, 200);
    let reply = client.send("/detect", FORM, &[("content-encoding", "br")], "q=1").await;
    assert_libre(&reply, 415, "content-encoding is br", "a coding");
}

#[tokio::test]
async fn keys_in_other_places_are_rejected() {
    let (client, _runs) = several(|_, options| options.api_keys = Some(vec!["secret".to_string()]));
    let body = json!({ "text": "1", "model": "en-de", "source_lang": null }).to_string();
    for headers in
        [("authorization", "Basic secret"), ("authorization", "Bearer"), ("x-api-key", "Secret"), ("x-api-key", "")]
    {
        for path in ["/translate", "/attend"] {
            let reply = client.send(path, JSON, &[headers], &body).await;
            assert_native(&reply, 401, "invalid_key", "--api-keys", &json!([path, headers.0, headers.1]));
        }
    }
    let reply = client.send("/translate", JSON, &[("x-api-key", "secret")], &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let form = "q=1&source=en&target=de";
    assert_eq!(client.send("/translate", FORM, &[("x-api-key", "secret")], form).await.status, 200);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let key = format!("{scheme} secret");
        assert_eq!(client.send("/detect", FORM, &[("authorization", &key)], "q=1").await.status, 200, "{scheme}");
    }
    assert_libre(&client.form("/detect", "q=1").await, 403, "no valid key", "/detect");
    assert_libre(&client.form("/detect", "q=1&api_key=").await, 403, "no valid key", "an empty key");
    // A client's empty field for the key hides no key elsewhere.
    let empty = json!({ "q": "1", "source": "en", "target": "de", "api_key": "" }).to_string();
    assert_eq!(client.send("/translate", JSON, &[("x-api-key", "secret")], &empty).await.status, 200);
    assert_eq!(client.form("/detect", "q=1&api_key=&apiKey=secret").await.status, 200);
    let wrong = client.send("/detect", FORM, &[("x-api-key", "secret")], "q=1&api_key=wrong").await;
    assert_libre(&wrong, 403, "no valid key", "a wrong key beside a valid one");
}

/// A form is read leniently, and U+FFFD in place of a byte would be translated.
#[tokio::test]
async fn forms_are_in_utf8() {
    let (client, _runs) = several(|_, _| {});
    for (text, status) in
        [("1 %ff 2", 400), ("%C3", 400), ("%C3%A4", 200), ("%EF%BF%BD", 200), ("%ef%bf%bd \u{fffd}", 200)]
    {
        let reply = client.form("/translate", &format!("q={text}&source=en&target=de")).await;
        assert_eq!(reply.status, status, "{text}: {}", reply.text);
        if status == 400 {
            assert_libre(&reply, status, "bytes that are not UTF-8", text);
        }
    }
}

#[tokio::test]
async fn sampling_is_an_object() {
    let (client, _runs) = several(|_, _| {});
    for (sample, status) in [(json!([]), 422), (json!({ "top_k": 3 }), 200), (json!(null), 200)] {
        let reply = client.post("/translate", json!({ "text": "1", "model": "en-de", "sample": sample })).await;
        assert_eq!(reply.status, status, "{sample}: {}", reply.text);
    }
}

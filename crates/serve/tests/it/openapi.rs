//! The OpenAPI document of a server.

use serde_json::{Value, json};

use super::several::several;
use super::{Client, Reply};

/// All references of a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Checks that an operation has the status of a response.
fn assert_described(document: &Value, path: &str, method: &str, reply: &Reply) {
    let response = &document["paths"][path][method]["responses"][reply.status.to_string()];
    let content = response["content"].as_object().unwrap_or_else(|| panic!("{method} {path}: {}", reply.status));
    let essence = reply.content_type.split(';').next().expect("a type");
    assert!(content.contains_key(essence), "{method} {path} {}: {essence}", reply.status);
}

#[tokio::test]
async fn the_document_has_every_path() {
    let client = Client::new(|_| {});
    let document = client.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("an object");
    let missing = client.get("/nowhere").await.text;
    for path in paths.keys() {
        assert!(missing.contains(path.as_str()), "{path}: {missing}");
    }
    let listed = missing.split("expected one of ").nth(1).expect("a list").matches('/').count();
    // `/frontend/settings` has two slashes, and the code of the message none.
    assert_eq!(listed, paths.len() + 1, "{missing}");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some_and(Value::is_object), "{reference}");
    }
}

#[tokio::test]
async fn responses_are_described() {
    let (client, _runs) = several(|_, options| {
        options.api_keys = Some(vec!["secret".to_string()]);
        options.limits.texts = 2;
        options.limits.requests_per_minute = Some(1);
    });
    let document = client.get("/openapi.json").await.json();
    for path in ["/", "/health", "/models", "/metrics", "/languages", "/frontend/settings", "/openapi.json"] {
        assert_described(&document, path, "get", &client.get(path).await);
    }
    assert_described(&document, "/detect", "get", &client.get("/detect?q=1").await);
    assert_described(&document, "/detect", "post", &client.form("/detect", "q=1").await);
    let form = "q=1&source=en&target=de&api_key=secret";
    for status in [200, 429] {
        let reply = client.form("/translate", form).await;
        assert_eq!(reply.status, status);
        assert_described(&document, "/translate", "post", &reply);
    }
    for body in [json!({}), json!({ "q": 1 }), json!({ "text": 1 })] {
        for path in ["/translate", "/attend"] {
            assert_described(&document, path, "post", &client.post(path, body.clone()).await);
        }
    }
}

#[tokio::test]
async fn requests_are_narrowed_to_the_server() {
    let (client, _runs) = several(|_, options| options.limits.texts = 7);
    let document = client.get("/openapi.json").await.json();
    let content = &document["paths"]["/translate"]["post"]["requestBody"]["content"];
    let native = &content["application/json"]["schema"]["anyOf"][0]["properties"];
    assert_eq!(native["model"]["enum"], json!(["en-de", "de-fr", null]));
    assert_eq!(native["source"]["enum"], json!(["de", "en", "fr", null]));
    assert_eq!((&native["texts"]["maxItems"], &native["beam"]["maximum"]), (&json!(7), &json!(16)));
    let attend = &document["paths"]["/attend"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(attend["properties"]["pair"]["properties"]["target"]["enum"], json!(["de", "en", "fr"]));
    let libre = &content["application/x-www-form-urlencoded"]["schema"]["properties"];
    assert_eq!(libre["source"]["enum"], json!(["de", "en", "fr", "auto"]));
    assert_eq!(libre.get("api_key"), None, "no keys");
    assert_eq!(document.pointer("/components/securitySchemes"), None);

    let single = Client::new(|_| {}).get("/openapi.json").await.json();
    let content = &single["paths"]["/translate"]["post"]["requestBody"]["content"];
    assert_eq!(content.as_object().map(|content| content.len()), Some(1), "no forms without languages");
    let properties = &content["application/json"]["schema"]["properties"];
    assert_eq!((properties.get("source"), &properties["model"]["enum"]), (None, &json!(["small", null])));
}

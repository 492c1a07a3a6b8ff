//! Responses to valid requests.

use decode::{Settings, Translator};
use serde_json::json;
use testing::Run;

use super::{Client, open};

/// The response with the translator's own translations of these texts.
fn translations(settings: impl FnOnce(&mut Settings), texts: &[&str]) -> String {
    let run = Run::new();
    let trained = open(&run);
    let mut changed = trained.settings();
    settings(&mut changed);
    let translations = Translator::new(&trained, changed).unwrap().translate(texts).unwrap();
    format!("{{\"translations\":{}}}", serde_json::to_string(&translations).unwrap())
}

#[tokio::test]
async fn translate_returns_the_translators_output() {
    let client = Client::new(|_| {});
    let texts = ["3 1 4", "", "1 5 9 2 6"];
    let reply = client.post("/translate", json!({ "texts": texts })).await;
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/json"));
    assert_eq!(reply.text, translations(|_| {}, &texts));

    let reply = client.post("/translate", json!({ "text": "3 1 4", "beam": 3, "n_best": 2, "max_length": 5 })).await;
    let expected = translations(
        |settings| {
            settings.decoding.beam = 3;
            settings.decoding.max_length = Some(5);
            settings.n_best = 2;
        },
        &["3 1 4"],
    );
    assert_eq!(reply.text, expected);
}

#[tokio::test]
async fn attend_returns_the_attention_of_views() {
    let run = Run::new();
    let trained = open(&run);
    let client = Client::new(|_| {});
    for target in [None, Some("1 5")] {
        let reply = client.post("/attend", json!({ "text": "3 1 4", "target": target })).await;
        let expected = views::attend(&trained, &trained.settings(), "3 1 4", target).unwrap();
        assert_eq!((reply.status, reply.text), (200, expected.to_json()));
    }
}

#[tokio::test]
async fn health_describes_model_and_defaults() {
    let client = Client::new(|options| options.settings.decoding.beam = 3);
    let health = client.get("/health").await.json();
    assert_eq!((&health["status"], &health["model"]["name"]), (&json!("ok"), &json!("small")));
    assert_eq!((&health["model"]["backend"], &health["decoding"]["beam"]), (&json!("flex"), &json!(3)));
}

#[tokio::test]
async fn metrics_count_texts_and_paths() {
    let client = Client::new(|_| {});
    client.post("/translate", json!({ "texts": ["1 2", "3"] })).await;
    client.get("/nowhere").await;
    for (name, expected) in [
        ("attend_texts_total", 2.0),
        // `</s>` included.
        ("attend_source_tokens_total", 5.0),
        ("attend_requests_total{path=\"/translate\",status=\"200\"}", 1.0),
        ("attend_requests_total{path=\"other\",status=\"404\"}", 1.0),
        ("attend_rejected_total{reason=\"not_found\"}", 1.0),
    ] {
        assert_eq!(client.metric(name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn the_root_is_the_page() {
    let reply = Client::new(|_| {}).get("/").await;
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "text/html; charset=utf-8"));
    assert!(reply.text.contains("id=\"translate-form\""));
}

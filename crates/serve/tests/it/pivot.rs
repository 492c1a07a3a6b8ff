//! Translations by two models, over a pivot language.

use serde_json::{Value, json};
use testing::Run;
use testing::run::MAX_LENGTH;

use super::Client;
use super::several::{several, shortened};

/// A server of `en-de` and `de-fr` with the pivot `de`.
fn over_german() -> (Client, [Run; 2]) {
    several(|models, _| models.pivot = Some("de".to_string()))
}

/// As above, with German translations of at most two tokens, which `de-fr` reads whole.
fn over_short_german() -> (Client, [Run; 2]) {
    let (client, runs) = over_german();
    let config = String::from_utf8(runs[0].read("config.toml")).expect("text");
    runs[0].write("config.toml", shortened(&config));
    (client, runs)
}

impl Client {
    /// The translations of a request; `fields` are added to it.
    async fn translated(&self, mut body: Value, fields: &Value) -> Vec<Value> {
        let object = body.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        let reply = self.post("/translate", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["translations"].as_array().expect("an array").clone()
    }

    /// The translations of texts from English to French.
    async fn french(&self, texts: &[&str], fields: &Value) -> Vec<Value> {
        self.translated(json!({ "texts": texts, "source": "en", "target": "fr" }), fields).await
    }
}

fn problem(kind: &str, tokens: usize) -> Value {
    json!({ "kind": kind, "side": "source", "tokens": tokens, "limit": MAX_LENGTH })
}

#[tokio::test]
async fn a_pivot_connects_two_models() {
    let (client, _runs) = over_german();
    // The first translation has as many tokens as the model has positions, and no room for the end token.
    let german = client.text(json!({ "text": "3 1 4", "model": "en-de" })).await;
    let french = client.text(json!({ "text": german, "model": "de-fr", "too_long": "crop" })).await;
    let over_german = json!({ "text": "3 1 4", "source": "en", "target": "fr", "too_long": "crop" });
    assert_eq!(client.text(over_german).await, french);
}

#[tokio::test]
async fn options_of_the_translation_are_those_of_the_last_step() {
    let (client, _runs) = over_german();
    let german = client.text(json!({ "text": "3 1 4", "model": "en-de" })).await;
    for mut options in [
        json!({ "max_length": 1 }),
        json!({ "max_length_ratio": 0.05 }),
        json!({ "min_length": 2 }),
        json!({ "beam": 4, "n_best": 2, "length_penalty": 0 }),
        json!({ "no_repeat_ngram": 1 }),
        json!({ "repetition_penalty": 5 }),
        json!({ "sample": { "seed": 7 } }),
        json!({ "prefix": "7", "alignment": true }),
    ] {
        options["too_long"] = json!("crop");
        let over_german = &client.french(&["3 1 4"], &options).await[0];
        let direct = &client.translated(json!({ "texts": [german], "model": "de-fr" }), &options).await[0];
        for field in ["text", "score", "tokens", "alternatives", "alignment", "problem"] {
            assert_eq!(over_german.get(field), direct.get(field), "{field} with {options}");
        }
    }
}

#[tokio::test]
async fn wrong_options_are_rejected_before_the_first_step() {
    let (client, _runs) = over_german();
    for options in [json!({ "beam": 17 }), json!({ "beam": 2, "sample": {} }), json!({ "sample": { "top_p": 2.0 } })] {
        let mut body = json!({ "text": "1", "source": "en", "target": "fr" });
        body.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
        let reply = client.post("/translate", body).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (422, &json!("invalid_option")));
    }
    assert_eq!(client.metric("attend_texts_total").await, 0.0);
}

#[tokio::test]
async fn problems_of_the_first_step_are_reported() {
    let (client, _runs) = over_short_german();
    let long = "1 ".repeat(30);
    let expected = client.french(&["3 1 4"], &json!({})).await;
    let found = client.french(&[&long, "3 1 4"], &json!({})).await;
    let skipped = &found[0];
    assert_eq!(skipped["problem"], problem("too_long", 31));
    assert_eq!((&skipped["text"], &skipped["score"]), (&json!(""), &Value::Null));
    assert_eq!((&skipped["source"], &skipped["finished"]), (&json!(long), &json!(false)));
    assert_eq!(found[1], expected[0], "another text of the request");
    let cropped = &client.french(&[&long], &json!({ "too_long": "crop" })).await[0];
    assert_eq!((&cropped["problem"], &cropped["source"]), (&problem("cropped", 31), &json!(long)));
    assert!(cropped["score"].is_f64());
    let html = &client.french(&[&format!("<p>{long}</p>")], &json!({ "format": "html", "too_long": "skip" })).await[0];
    assert_eq!(html["problem"], problem("too_long", 31));
}

#[tokio::test]
async fn unknown_words_of_the_first_step_are_counted() {
    let (client, _runs) = over_short_german();
    let unknown = |translations: Vec<Value>| translations[0]["unknown"].as_u64().expect("a number");
    let german = client.translated(json!({ "texts": ["3 x y"], "model": "en-de" }), &json!({})).await;
    let text = german[0]["text"].as_str().expect("a text").to_string();
    let direct = client.translated(json!({ "texts": [text], "model": "de-fr" }), &json!({})).await;
    assert_eq!(unknown(german), 2);
    assert_eq!(unknown(client.french(&["3 x y"], &json!({})).await), 2 + unknown(direct));
}

/// The sentences are those of the text in the pivot language, and the fields of the whole text are those of its source.
#[tokio::test]
async fn documents_report_the_first_step_as_a_whole() {
    let (client, _runs) = over_short_german();
    let source = format!("3 x 4\n{}", "1 ".repeat(30).trim());
    let german = client.translated(json!({ "texts": [source], "model": "en-de" }), &json!({})).await.remove(0);
    let direct = client.translated(json!({ "texts": [german["text"]], "model": "de-fr" }), &json!({})).await.remove(0);
    let found = client.french(&[&source], &json!({})).await.remove(0);
    assert_eq!(found["sentences"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!((&found["sentences"], &found["text"]), (&direct["sentences"], &direct["text"]));
    assert_eq!((&found["source"], &found["problem"]), (&json!(source), &problem("cropped", 31)));
    assert_eq!(found["unknown"], 1 + direct["unknown"].as_u64().expect("a number"));
    assert_eq!(direct.get("problem"), None, "a document of one step has the problems of its sentences");
}

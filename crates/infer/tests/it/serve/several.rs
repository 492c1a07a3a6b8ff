//! Several models in one server: `--model` with languages, `--models`, `--model-idle` and `--model-memory`.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testing::http_client::Server;
use testing::run::Run;

/// A value of `--model`.
fn value(languages: &str, run: &Run) -> String {
    format!("{languages}={}", run.path().to_str().expect("text"))
}

/// The names of the open models.
fn opened(server: &Server) -> Vec<Value> {
    let models = server.get("/models").json()["models"].as_array().expect("a list").clone();
    models.into_iter().filter(|model| model["open"] == true).map(|model| model["name"].clone()).collect()
}

#[test]
fn idle_models_are_closed_and_opened_again() {
    let run = Run::new();
    let server = Server::start_with(&["--model", &value("en-de", &run), "--model-idle", "1"]);
    let body = json!({ "text": "3 1 4", "model": "en-de" });
    let expected = server.translations(body.clone());
    let end = Instant::now() + Duration::from_secs(60);
    while !opened(&server).is_empty() {
        assert!(Instant::now() < end, "the model was not closed");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.translations(body), expected);
}

#[test]
fn model_memory_bounds_the_open_models() {
    let runs = [Run::new(), Run::new()];
    let values = [value("en-de", &runs[0]), value("de-fr", &runs[1])];
    let server = Server::start_with(&["--model", &values[0]]);
    server.translations(json!({ "text": "3 1 4" }));
    let bytes = server.get("/models").json()["models"][0]["bytes"].as_u64().expect("a number");
    // The layout in memory is padded to 64 outputs.
    assert!(bytes > runs[0].read("model.safetensors").len() as u64, "{bytes}");
    let limit = (bytes * 3 / 2).to_string();
    let server = Server::start_with(&["--model", &values[0], "--model", &values[1], "--model-memory", &limit]);
    for model in ["en-de", "de-fr", "en-de"] {
        server.translations(json!({ "text": "3 1 4", "model": model }));
        assert_eq!(opened(&server), [model]);
    }
}

#[test]
fn a_table_of_models_is_served() {
    let runs = [Run::new(), Run::new()];
    let folder = |run: &Run| run.path().to_str().expect("text").to_string();
    let table = format!(
        "pivot = \"de\"\n[[model]]\nname = \"news\"\nsource = \"en\"\ntarget = \"de\"\nfolder = {:?}\n\
         [[model]]\nsource = \"de\"\ntarget = \"fr\"\nfolder = \".\"\n",
        folder(&runs[0])
    );
    runs[1].write("models.toml", table);
    let path = runs[1].path().join("models.toml");
    let server = Server::start_with(&["--models", path.to_str().expect("text")]);
    assert_eq!(server.translations(json!({ "text": "3 1 4", "model": "news" })).len(), 1);
    let over_german = json!({ "text": "3 1 4", "source": "en", "target": "fr", "too_long": "crop" });
    assert_eq!(server.translations(over_german).len(), 1);
    assert_eq!(opened(&server), ["news", "de-fr"]);
}

//! Several models in one server, and LibreTranslate's API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, header};
use decode::{TooLong, TrainedModel};
use hyper_util::service::TowerToHyperService;
use model::backend;
use serde_json::{Value, json};
use serve::{Limits, ModelInfo, ModelOptions, ModelSpec, ServeOptions, Server};
use testing::Run;

use super::{Client, Reply};

/// A server of `en-de`, and of `de-fr`, whose translations have at most two tokens.
pub fn several(change: impl FnOnce(&mut ModelOptions, &mut ServeOptions)) -> (Client, [Run; 2]) {
    let runs = [Run::new(), Run::new()];
    let config = String::from_utf8(runs[1].read("config.toml")).expect("text");
    runs[1].write("config.toml", shortened(&config));
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let spec = |name: &str, run: &Run| {
        let (source, target) = name.split_once('-').expect("two languages");
        let codes = |code: &str| vec![code.to_string()];
        let (sources, targets) = (codes(source), codes(target));
        ModelSpec { name: name.to_string(), sources, targets, folder: run.path().to_path_buf() }
    };
    let mut models = ModelOptions {
        models: vec![spec("en-de", &runs[0]), spec("de-fr", &runs[1])],
        open: Arc::new(move |folder| {
            let trained = TrainedModel::open(folder, &device)?;
            let settings = trained.settings();
            Ok((trained, settings))
        }),
        memory: None,
        idle: None,
        pivot: None,
    };
    let trained = super::open(&runs[0]);
    let mut options =
        ServeOptions { info: ModelInfo { name: String::new(), backend: "flex".into() }, ..super::options(&trained) };
    change(&mut models, &mut options);
    let router = Server::with_models(models, options).expect("valid options").router();
    (Client(TowerToHyperService::new(router), Run::new()), runs)
}

/// A configuration whose translations have at most two tokens.
pub fn shortened(config: &str) -> String {
    match config.contains("[decoding]") {
        true => config.replace("[decoding]", "[decoding]\nmax_length = 2"),
        false => format!("{config}\n[decoding]\nmax_length = 2\n"),
    }
}

impl Client {
    pub async fn form(&self, path: &str, form: &str) -> Reply {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.call(request.body(Body::from(form.to_string())).expect("a request")).await
    }

    pub async fn text(&self, body: Value) -> String {
        let reply = self.post("/translate", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["translations"][0]["text"].as_str().expect("a text").to_string()
    }

    /// The names of the open models.
    async fn opened(&self) -> Vec<String> {
        let models = self.get("/models").await.json()["models"].as_array().expect("a list").clone();
        let open = models.into_iter().filter(|model| model["open"] == true);
        open.map(|model| model["name"].as_str().expect("a name").to_string()).collect()
    }
}

#[tokio::test]
async fn models_are_opened_when_a_request_needs_them() {
    let (client, _runs) = several(|_, _| {});
    assert!(client.opened().await.is_empty());
    let german = client.text(json!({ "text": "3 1 4", "source": "en", "target": "de" })).await;
    assert_eq!(client.opened().await, ["en-de"]);
    assert_eq!(client.text(json!({ "text": "3 1 4", "model": "en-de" })).await, german);
    let french = client.text(json!({ "text": "3 1 4", "model": "de-fr" })).await;
    assert_eq!(client.opened().await, ["en-de", "de-fr"]);
    assert_ne!(french, german);
}

#[tokio::test]
async fn short_memory_closes_the_model_used_longest_ago() {
    let (client, _runs) = several(|_, _| {});
    client.text(json!({ "text": "3 1 4", "model": "en-de" })).await;
    let bytes = client.get("/models").await.json()["models"][0]["bytes"].as_u64().expect("a number");
    let (client, _runs) = several(|models, _| models.memory = Some(bytes * 3 / 2));
    let mut texts = Vec::new();
    for _ in 0..2 {
        for model in ["en-de", "de-fr"] {
            texts.push(client.text(json!({ "text": "3 1 4", "model": model })).await);
            assert_eq!(client.opened().await, [model]);
        }
    }
    assert_eq!(texts[..2], texts[2..]);
    let (client, _runs) = several(|models, _| models.memory = Some(bytes - 1));
    let reply = client.post("/translate", json!({ "text": "1", "model": "en-de" })).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (503, &json!("no_memory")));
}

#[tokio::test]
async fn a_replaced_folder_is_reloaded() {
    let (client, runs) = several(|_, _| {});
    let before = client.text(json!({ "text": "3 1 4", "model": "en-de" })).await;
    let config = String::from_utf8(runs[0].read("config.toml")).expect("text");
    runs[0].write("config.toml", shortened(&config));
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if client.text(json!({ "text": "3 1 4", "model": "en-de" })).await != before {
            return;
        }
    }
    panic!("the model was not reloaded");
}

#[tokio::test]
async fn invalid_selections_are_rejected() {
    let (client, _runs) = several(|_, _| {});
    for (body, code) in [
        (json!({ "text": "1" }), "invalid_request"),
        (json!({ "text": "1", "model": "en-fr" }), "unknown_model"),
        (json!({ "text": "1", "source": "en", "target": "fr" }), "unknown_pair"),
        (json!({ "text": "1", "source": "en" }), "invalid_request"),
        (json!({ "text": "1", "model": "en-de", "source": "en", "target": "de" }), "invalid_request"),
    ] {
        let reply = client.post("/translate", body.clone()).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (422, &json!(code)), "{body}");
    }
}

#[tokio::test]
async fn libretranslate_requests_have_its_responses() {
    let (client, _runs) = several(|_, _| {});
    let german = client.text(json!({ "text": "3 1 4", "model": "en-de" })).await;
    let single = json!({ "translatedText": german });
    let body = json!({ "q": "3 1 4", "source": "en", "target": "de" });
    assert_eq!(client.post("/translate", body).await.json(), single);
    assert_eq!(client.form("/translate", "q=3+1+4&source=en&target=de&format=text").await.json(), single);
    assert_eq!(client.form("/translate?q=3%201%204&source=en&target=de", "").await.json(), single);
    let body = json!({ "q": ["3 1 4", "3 1 4"], "source": "en", "target": "de", "unknown": 1 });
    assert_eq!(client.post("/translate", body).await.json(), json!({ "translatedText": [german, german] }));
    let body = json!({ "q": "<b>3 1 4</b>", "source": "en", "target": "de", "format": "html" });
    assert_eq!(client.post("/translate", body).await.json(), json!({ "translatedText": format!("<b>{german}</b>") }));
    let body = json!({ "q": "3 1 4", "source": "en", "target": "de", "alternatives": 2 });
    let reply = client.post("/translate", body).await.json();
    assert_eq!(reply["alternatives"].as_array().map(Vec::len), Some(2), "{reply}");
    let body = json!({ "q": "3 1 4", "source": "de", "target": "de" });
    assert_eq!(client.post("/translate", body).await.json(), json!({ "translatedText": "3 1 4" }));
    let body = json!({ "q": "The man is riding a bicycle on the street.", "source": "auto", "target": "de" });
    assert_eq!(client.post("/translate", body).await.json()["detectedLanguage"]["language"], "en");
}

#[tokio::test]
async fn libretranslate_requests_have_the_servers_too_long() {
    let long = "1 ".repeat(30);
    let body = || json!({ "q": long, "source": "en", "target": "de" });
    let (client, _runs) = several(|_, _| {});
    let cropped = client.text(json!({ "text": long, "model": "en-de", "too_long": "crop" })).await;
    assert!(!cropped.trim().is_empty());
    for (too_long, expected) in [(None, &cropped[..]), (Some(TooLong::Crop), &cropped[..]), (Some(TooLong::Skip), "")] {
        let (client, _runs) = several(|_, options| options.too_long = too_long);
        let reply = client.post("/translate", body()).await;
        assert_eq!(reply.json(), json!({ "translatedText": expected }), "{too_long:?}");
    }
    let (client, _runs) = several(|_, options| options.too_long = Some(TooLong::Fail));
    let reply = client.post("/translate", body()).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert!(reply.json()["error"].as_str().is_some_and(|error| error.contains("31 tokens")), "{}", reply.text);
}

#[tokio::test]
async fn alternatives_need_no_beam_above_the_limit() {
    for beam in 2..=5 {
        let (client, _runs) = several(|_, options| options.limits = Limits { beam, ..Limits::default() });
        for alternatives in 1..beam {
            let body = json!({ "q": "3 1 4", "source": "en", "target": "de", "alternatives": alternatives });
            let reply = client.post("/translate", body).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            let found = reply.json()["alternatives"].as_array().map(Vec::len);
            assert_eq!(found, Some(alternatives), "--max-beam {beam}");
        }
        let body = json!({ "q": "3 1 4", "source": "en", "target": "de", "alternatives": beam });
        assert_eq!(client.post("/translate", body).await.status, 400);
    }
}

#[tokio::test]
async fn requests_survive_a_replaced_folder() {
    let (client, runs) = several(|_, _| {});
    let long = client.text(json!({ "text": "3 1 4", "model": "en-de" })).await;
    let short = client.text(json!({ "text": "3 1 4", "model": "de-fr" })).await;
    assert_ne!(long, short);
    let original = String::from_utf8(runs[0].read("config.toml")).expect("text");
    let (mut found, began) = (Vec::new(), Instant::now());
    // Each replacement comes while requests run; the server looks at the folder at most once a second.
    for config in [shortened(&original), original] {
        runs[0].write("config.toml", config);
        let end = began.elapsed() + Duration::from_millis(1500);
        while began.elapsed() < end {
            let body = || json!({ "text": "3 1 4", "model": "en-de" });
            let (first, second) = tokio::join!(client.text(body()), client.text(body()));
            found.extend([first, second]);
        }
    }
    assert!(found.iter().all(|text| [&long, &short].contains(&text)), "{found:?}");
    assert!(found.contains(&short), "the model was not reloaded");
    assert_eq!(found.last(), Some(&long));
}

#[tokio::test]
async fn libretranslate_lists_and_detects_languages() {
    let (client, _runs) = several(|_, _| {});
    let languages = client.get("/languages").await.json();
    let expected = json!({ "code": "de", "name": "German", "targets": ["de", "fr"] });
    assert_eq!((&languages[0], languages.as_array().map(Vec::len)), (&expected, Some(3)));
    let detected = client.form("/detect", "q=Der+Mann+geht+mit+dem+Hund+auf+die+Stra%C3%9Fe.").await.json();
    assert_eq!(detected[0]["language"], "de");
    assert!(detected[0]["confidence"].as_f64().is_some_and(|confidence| (0.0..=100.0).contains(&confidence)));
    assert_eq!(client.get("/frontend/settings").await.json()["language"]["source"]["code"], "en");
    assert_eq!(client.get("/health").await.json()["status"], "ok");
}

#[tokio::test]
async fn libretranslate_errors_have_its_form() {
    let (client, _runs) = several(|_, options| options.limits = Limits { texts: 2, ..Limits::default() });
    for (body, status, part) in [
        (json!({ "q": "1", "source": "en" }), 400, "target"),
        (json!({ "q": "1", "source": "xx", "target": "de" }), 400, "xx is not supported"),
        (json!({ "q": "1", "source": "en", "target": "fr" }), 400, "en to fr is not supported"),
        (json!({ "q": 1, "source": "en", "target": "de" }), 400, "q = "),
        (json!({ "q": [1], "source": "en", "target": "de" }), 400, "q = "),
        (json!({ "q": ["1", "1", "1"], "source": "en", "target": "de" }), 400, "3 texts"),
        (json!({ "q": "1", "source": "en", "target": "de", "format": "pdf" }), 400, "format = pdf"),
        (json!({ "q": "1", "source": "en", "target": "de", "alternatives": -1 }), 400, "alternatives"),
        (json!({ "q": "1", "source": "en", "target": "de", "alternatives": "many" }), 400, "alternatives"),
        (json!({ "q": "1", "source": "en", "target": "de", "alternatives": "+5" }), 400, "alternatives"),
        (json!({ "q": "1", "source": 1, "target": "de" }), 400, "source = 1"),
        (json!({ "q": "1", "source": "en", "target": "de", "api_key": 1 }), 400, "api_key = 1"),
        (json!({ "q": "1", "source": "en", "target": "de", "alternatives": 100 }), 400, "at most 15"),
    ] {
        let reply = client.post("/translate", body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
        assert!(reply.json()["error"].as_str().is_some_and(|error| error.contains(part)), "{body}: {}", reply.text);
    }
    assert_eq!(client.form("/detect", "").await.status, 400);
}

#[tokio::test]
async fn keys_are_required_where_they_are_set() {
    let (client, _runs) = several(|_, options| options.api_keys = Some(vec!["secret".to_string()]));
    for key in ["", "&api_key=wrong"] {
        let reply = client.form("/translate", &format!("q=1&source=en&target=de{key}")).await;
        assert_eq!(reply.status, 403);
        assert!(reply.json()["error"].is_string());
    }
    assert_eq!(client.form("/translate", "q=1&source=en&target=de&api_key=secret").await.status, 200);
    let reply = client.post("/translate", json!({ "text": "1", "model": "en-de" })).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (401, &json!("invalid_key")));
    let request = Request::post("/translate")
        .header(header::CONTENT_TYPE, "application/json")
        .header("authorization", "Bearer secret");
    let body = Body::from(json!({ "text": "1", "model": "en-de" }).to_string());
    assert_eq!(client.call(request.body(body).expect("a request")).await.status, 200);
}

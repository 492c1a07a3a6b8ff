//! Models with tokens for languages.

use std::sync::Arc;

use decode::TrainedModel;
use hyper_util::service::TowerToHyperService;
use model::backend;
use serde_json::{Value, json};
use serve::{ModelInfo, ModelOptions, ModelSpec, ServeOptions, Server};
use testing::Run;

use super::{Client, open, options};

/// A run folder whose digits 0 and 1 are the tokens of English and German, as in mBART.
fn multilingual() -> Run {
    let run = Run::new();
    for (file, start, before) in
        [("source", Value::Null, json!(["$source_language"])), ("target", json!("$target_language"), json!([]))]
    {
        let file = format!("{file}.tokenizer.json");
        let mut tokenizer: Value = serde_json::from_slice(&run.read(&file)).expect("JSON");
        let mut template = json!({ "before": before, "after": ["</s>"], "languages": { "de_DE": "1", "en_XX": "0" } });
        if !start.is_null() {
            template["start"] = start;
        }
        tokenizer["model"]["template"] = template;
        run.write(&file, tokenizer.to_string());
    }
    run
}

/// A server of one model for all pairs among these languages.
fn server_of(codes: &[&str]) -> (Client, Run) {
    let run = multilingual();
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let codes: Vec<String> = codes.iter().map(|code| code.to_string()).collect();
    let (sources, targets) = (codes.clone(), codes);
    let model = ModelSpec { name: "all".to_string(), sources, targets, folder: run.path().to_path_buf() };
    let models = ModelOptions {
        models: vec![model],
        open: Arc::new(move |folder| {
            let trained = TrainedModel::open(folder, &device)?;
            let settings = trained.settings();
            Ok((trained, settings))
        }),
        memory: None,
        idle: None,
        pivot: None,
    };
    let trained = open(&run);
    let options = ServeOptions { info: ModelInfo { name: String::new(), backend: "flex".into() }, ..options(&trained) };
    let router = Server::with_models(models, options).expect("valid options").router();
    (Client(TowerToHyperService::new(router), Run::new()), run)
}

#[tokio::test]
async fn pairs_select_the_tokens_of_their_languages() {
    let (client, _run) = server_of(&["de", "en"]);
    let mut translations = Vec::new();
    for (source, target) in [("en", "de"), ("de", "en")] {
        let pair = client.post("/translate", json!({ "text": "3 1 4", "source": source, "target": target })).await;
        let named = |code| if code == "en" { "en_XX" } else { "de_DE" };
        let languages = json!({ "text": "3 1 4", "source_lang": named(source), "target_lang": named(target) });
        let text = pair.json()["translations"][0]["text"].clone();
        assert_eq!(client.post("/translate", languages).await.json()["translations"][0]["text"], text);
        let body = json!({ "q": "3 1 4", "source": source, "target": target });
        assert_eq!(client.post("/translate", body).await.json()["translatedText"], text);
        let attend = json!({ "text": "3 1 4", "pair": { "source": source, "target": target } });
        assert_eq!(client.post("/attend", attend).await.json()["target"]["text"], text);
        translations.push(text);
    }
    assert_ne!(translations[0], translations[1]);
    let expected = json!([
        { "code": "de", "name": "German", "targets": ["de", "en"] },
        { "code": "en", "name": "English", "targets": ["de", "en"] },
    ]);
    assert_eq!(client.get("/languages").await.json(), expected);
}

#[tokio::test]
async fn languages_without_a_token_open_no_model() {
    let (client, _run) = server_of(&["en", "fr"]);
    let reply = client.post("/translate", json!({ "text": "1", "source": "en", "target": "fr" })).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (503, &json!("model_not_opened")));
    assert!(reply.text.contains("de_DE, en_XX"), "{}", reply.text);
}

/// A model without default languages starts a server, whose requests must name them.
#[tokio::test]
async fn requests_name_missing_languages() {
    let run = multilingual();
    let trained = open(&run);
    let options = options(&trained);
    let client = Client(TowerToHyperService::new(Server::new(trained, options).expect("a server").router()), run);
    let reply = client.post("/translate", json!({ "text": "3 1 4" })).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (422, &json!("invalid_option")));
    assert!(reply.text.contains("_lang"), "{}", reply.text);
    let named = json!({ "text": "3 1 4", "source_lang": "en_XX", "target_lang": "de_DE" });
    assert_eq!(client.post("/translate", named).await.status, 200);
}

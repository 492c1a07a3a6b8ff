//! The page of `infer serve` in a browser.

use crate::driver::{Page, with_url};
use serde_json::{Value, json};
use testing::http_client::Server;
use testing::run::{Run, texts};

/// Runs a test on the page. The limit of ten tokens leaves room for `</s>`, so translations are valid targets.
fn on_page(arguments: &[&str], test: impl AsyncFnOnce(&Page, &Server)) {
    let run = Run::new();
    let server = Server::start(&run, &[&["--max-length", "10"], arguments].concat());
    with_url(format!("http://{}/", server.address), async |page| {
        page.until("document.getElementById('translate-model').textContent !== ''").await;
        test(page, &server).await;
    });
}

/// Waits until the page shows the attention of this translation.
async fn attention_of(page: &Page, target: &str) {
    let shown = "!document.body.classList.contains('no-attention')";
    page.until(&format!("{shown} && document.getElementById('target-text').textContent === {}", json!(target))).await;
}

const ENTER: &str = "\u{E007}";
const SHIFT_AND_ENTER: &str = "\u{E008}\u{E007}\u{E000}";

#[test]
fn typed_text_is_translated_and_shown() {
    on_page(&[], async |page, server| {
        let model = page.text("#translate-model").await;
        assert!(model.contains("parameters · flex"), "{model}");
        assert_eq!(page.value("document.getElementById('translate-beam').value").await, "1", "the run's own beam");
        assert_eq!(page.value("document.activeElement.id").await, "translate-text", "ready to type");
        assert_eq!(page.value("getComputedStyle(document.getElementById('columns')).display").await, "none");

        let expected = server.translations(json!({ "text": "3 1 4" })).remove(0);
        let text = expected["text"].as_str().unwrap();
        page.write("#translate-text", "3 1 4").await;
        page.write("#translate-text", ENTER).await;
        attention_of(page, text).await;
        assert_eq!(page.texts("#results bdi").await, [text]);
        let score = format!("score {:.3}", expected["score"].as_f64().unwrap()).replace('-', "−");
        assert!(page.text("#results .score").await.starts_with(&score));
        assert_eq!(page.texts("#map-keys .label").await, ["3", "1", "4", "</s>"]);
        assert!(page.text("#facts").await.ends_with("translation by the model"));
        // The canvas was visible when it was drawn.
        assert!(
            page.value("document.getElementById('map-canvas').getBoundingClientRect().width").await.as_f64()
                > Some(50.0)
        );
        page.click("[data-kind=encoder][data-layer='0'][data-head='1'].thumb").await;
        assert_eq!(page.text("#head-title").await, "Encoder, layer 1, head 2");
    });
}

#[test]
fn alternatives_show_their_attention() {
    // Without a length penalty short translations win, which end with `</s>`.
    on_page(&["--length-penalty", "0", "--min-length", "1"], async |page, server| {
        let all = server.translations(json!({ "texts": texts(60), "beam": 4, "n_best": 3 }));
        let targets = |found: &Value| -> Vec<Value> {
            std::iter::once(found).chain(found["alternatives"].as_array().unwrap()).cloned().collect()
        };
        let is_valid_target = |target: &Value| target["finished"] == true && target["text"] != "";
        let expected = all.iter().find(|&found| targets(found).iter().all(is_valid_target)).unwrap();
        let texts: Vec<String> =
            targets(expected).iter().map(|target| target["text"].as_str().unwrap().to_string()).collect();
        page.run(
            "document.getElementById('translate-beam').value = 4; document.getElementById('translate-n-best').value = 3",
            vec![],
        )
        .await;
        page.write("#translate-text", expected["source"].as_str().unwrap()).await;
        page.click("#translate-submit").await;
        attention_of(page, &texts[0]).await;
        assert_eq!(page.texts("#results bdi").await, texts);
        page.click("#results li li:nth-child(3) button").await;
        attention_of(page, &texts[2]).await;
        let chosen = "[...document.querySelectorAll('#results .result')].map((e) => e.ariaCurrent)";
        assert_eq!(page.value(chosen).await, json!([null, null, "true"]));
    });
}

/// Each translation has ten tokens and no end token; a given target always has one.
#[test]
fn cut_off_translations_need_the_default_beam() {
    on_page(&["--min-length", "10"], async |page, server| {
        let text = server.translations(json!({ "text": "3 1 4" })).remove(0)["text"].as_str().unwrap().to_string();
        page.write("#translate-text", &format!("3 1 4{ENTER}")).await;
        attention_of(page, &text).await;
        page.run("document.getElementById('translate-beam').value = 2", vec![]).await;
        page.click("#translate-submit").await;
        page.until("document.querySelector('#results .result').disabled").await;
        page.until("document.body.classList.contains('no-attention')").await;
        page.until("document.getElementById('translate-status').textContent === ''").await;
    });
}

#[test]
fn each_line_is_a_text() {
    on_page(&[], async |page, server| {
        let expected = server.translations(json!({ "texts": ["1 2", "3"] }));
        let texts: Vec<&str> = expected.iter().map(|translation| translation["text"].as_str().unwrap()).collect();
        page.write("#translate-text", &format!("1 2{SHIFT_AND_ENTER}3{ENTER}")).await;
        attention_of(page, texts[0]).await;
        assert_eq!(page.texts("#results .result-source").await, ["1 2", "3"]);
        assert_eq!(page.texts("#results bdi").await, texts);
    });
}

/// The whole translation stands above the sentences, with the white space and the tags of the source.
#[test]
fn documents_are_whole_and_in_sentences() {
    on_page(&[], async |page, server| {
        let whole = |body: Value| server.translations(body).remove(0)["text"].as_str().unwrap().to_string();
        page.run("document.getElementById('translate-text').value = '3 1\\n\\n  4 1 5'", vec![]).await;
        page.click("#translate-submit").await;
        page.until("!document.getElementById('document').hidden").await;
        let shown = "document.getElementById('document-text').textContent";
        assert_eq!(page.value(shown).await, whole(json!({ "text": "3 1\n\n  4 1 5" })));
        assert_eq!(page.texts("#results .result-source").await, ["3 1", "4 1 5"]);
        page.click("#results > li:nth-child(2) button").await;
        attention_of(page, &whole(json!({ "text": "4 1 5" }))).await;

        page.run("document.getElementById('translate-text').value = '<p>3 1<p>4'", vec![]).await;
        page.click("#translate-html").await;
        page.click("#translate-submit").await;
        page.until(&format!("{shown}.startsWith('<p>')")).await;
        assert_eq!(page.value(shown).await, whole(json!({ "text": "<p>3 1<p>4", "format": "html" })));
        // A sentence alone is listed with its markup, and its attention is that of its text.
        page.run("document.getElementById('translate-text').value = '3 <b>1</b>'", vec![]).await;
        page.click("#translate-submit").await;
        page.until("document.querySelector('#results bdi').textContent.includes('<b>')").await;
        attention_of(page, &whole(json!({ "text": "3 1" }))).await;
        assert_eq!(page.text("#source-text").await, "3 1");
        page.run("document.getElementById('translate-text').value = '3 1'", vec![]).await;
        page.click("#translate-html").await;
        page.click("#translate-submit").await;
        page.until("document.getElementById('document').hidden").await;
    });
}

#[test]
fn languages_select_the_model() {
    let run = Run::new();
    let model = |pair: &str| format!("{pair}={}", run.path().to_str().unwrap());
    let (first, second) = (model("en-de"), model("de-fr"));
    let server = Server::start_with(&["--model", &first, "--model", &second, "--pivot", "de", "--max-length", "10"]);
    with_url(format!("http://{}/", server.address), async |page| {
        page.until("document.getElementById('translate-model').textContent === '2 models'").await;
        let names = |list: &str| format!("[...document.getElementById('translate-{list}').options].map((o) => o.text)");
        assert_eq!(page.value(&names("source")).await, json!(["Detect language", "German", "English"]));
        assert_eq!(page.value(&names("target")).await, json!(["German", "French"]));
        let expected = server.translations(json!({ "text": "3 1 4", "source": "en", "target": "de" })).remove(0);
        page.write("#translate-text", &format!("3 1 4{ENTER}")).await;
        attention_of(page, expected["text"].as_str().unwrap()).await;
        // Over German there are two models, and no attention.
        page.run("document.getElementById('translate-target').value = 'fr'", vec![]).await;
        page.click("#translate-submit").await;
        page.until("document.querySelector('#results .result')?.disabled").await;
        assert_eq!(page.text("#translate-status").await, "");
        page.run(
            "const list = document.getElementById('translate-source'); list.value = 'de'; \
             list.dispatchEvent(new Event('change'))",
            vec![],
        )
        .await;
        assert_eq!(page.value(&names("target")).await, json!(["French"]));
        assert_eq!(page.value("document.documentElement.scrollWidth <= innerWidth").await, true);
    });
}

#[test]
fn errors_are_shown_and_then_cleared() {
    on_page(&["--max-beam", "4"], async |page, _| {
        // A text that is too long has a note of its own, since the others are translated.
        page.write("#translate-text", &"1 ".repeat(30)).await;
        page.write("#translate-text", ENTER).await;
        page.until("document.querySelector('#results .score')?.textContent.includes('too long: 31 tokens')").await;
        page.run(
            "document.getElementById('translate-text').value = '1'; document.getElementById('translate-beam').value = 5",
            vec![],
        )
        .await;
        page.click("#translate-submit").await;
        page.until("document.getElementById('translate-status').textContent.includes('beam = 5')").await;
        page.until("document.getElementById('translate-status').classList.contains('failed')").await;
        page.run("document.getElementById('translate-beam').value = 4", vec![]).await;
        page.click("#translate-submit").await;
        page.until("document.querySelectorAll('#results .result').length === 1").await;
        page.until("document.getElementById('translate-status').textContent === ''").await;
    });
}

#[test]
fn a_stopped_server_is_reported() {
    on_page(&[], async |page, server| {
        server.signal("TERM");
        server.wait_for_line("stopped");
        page.write("#translate-text", &format!("1{ENTER}")).await;
        page.until("document.getElementById('translate-status').textContent.includes('does not answer')").await;
    });
}

/// Markup in a text is shown as text.
#[test]
fn markup_is_shown_as_text() {
    on_page(&[], async |page, _| {
        let text = "<img src=x onerror=window.ran=1> </script> &amp; 1";
        page.write("#translate-text", &format!("{text}{SHIFT_AND_ENTER}2{ENTER}")).await;
        page.until("document.querySelectorAll('#results .result-source').length === 2").await;
        assert_eq!(page.texts("#results .result-source").await, [text, "2"]);
        assert_eq!(page.value("typeof window.ran").await, "undefined");
    });
}

#[test]
fn controls_have_names_and_nothing_overflows_a_phone() {
    on_page(&[], async |page, _| {
        page.write("#translate-text", &format!("3 1 4{ENTER}")).await;
        page.until("!document.body.classList.contains('no-attention')").await;
        let nameless = "[...document.querySelectorAll('#translate button, #translate input, #translate textarea, #translate select')]\
             .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)";
        assert_eq!(page.value(nameless).await, json!([]));
        page.narrow().await;
        assert_eq!(page.value("document.documentElement.scrollWidth <= innerWidth").await, true);
    });
}

//! The page that `infer serve` serves, in a browser: what a person sees after typing.

use crate::driver::{Page, with_url};
use serde_json::{Value, json};
use testing::http_client::Server;
use testing::run::{Run, texts};

/// Translations end early enough for there to be room for `</s>`, so that they may be given as targets.
fn on_page(arguments: &[&str], test: impl AsyncFnOnce(&Page, &Server)) {
    let run = Run::new();
    let server = Server::start(&run, &[&["--max-length", "10"], arguments].concat());
    with_url(format!("http://{}/", server.address), async |page| {
        page.until("document.getElementById('ask-model').textContent !== ''").await;
        test(page, &server).await;
    });
}

/// Waits until the attention of this translation is on show.
async fn attention_of(page: &Page, target: &str) {
    let shown = "!document.body.classList.contains('waiting')";
    page.until(&format!("{shown} && document.getElementById('target-text').textContent === {}", json!(target))).await;
}

const ENTER: &str = "\u{E007}";
const SHIFT_AND_ENTER: &str = "\u{E008}\u{E007}\u{E000}";

#[test]
fn what_is_typed_is_translated_and_its_attention_shown() {
    on_page(&[], async |page, server| {
        let about = page.text("#ask-model").await;
        assert!(about.contains("parameters · flex"), "{about}");
        assert_eq!(page.value("document.getElementById('ask-beam').value").await, "1", "as the run decodes");
        assert_eq!(page.value("document.activeElement.id").await, "ask-text", "ready to type");
        assert_eq!(page.value("getComputedStyle(document.getElementById('columns')).display").await, "none");

        let expected = server.translations(json!({ "text": "3 1 4" })).remove(0);
        let text = expected["text"].as_str().unwrap();
        page.write("#ask-text", "3 1 4").await;
        page.write("#ask-text", ENTER).await;
        attention_of(page, text).await;
        assert_eq!(page.texts("#answers bdi").await, [text]);
        let score = format!("score {:.3}", expected["score"].as_f64().unwrap()).replace('-', "−");
        assert!(page.text("#answers .score").await.starts_with(&score));
        assert_eq!(page.texts("#map-keys .label").await, ["3", "1", "4", "</s>"]);
        assert!(page.text("#facts").await.ends_with("translation by the model"));
        // Drawn in a place that has a size by now.
        assert!(
            page.value("document.getElementById('map-canvas').getBoundingClientRect().width").await.as_f64()
                > Some(50.0)
        );
        page.click("[data-kind=encoder][data-layer='0'][data-head='1'].thumb").await;
        assert_eq!(page.text("#head-title").await, "Encoder, layer 1, head 2");
    });
}

#[test]
fn alternatives_are_listed_and_can_be_looked_at() {
    // Short translations are the best ones then, and those end by themselves.
    on_page(&["--length-penalty", "0", "--min-length", "1"], async |page, server| {
        let all = server.translations(json!({ "texts": texts(60), "beam": 4, "n_best": 3 }));
        let targets = |found: &Value| -> Vec<Value> {
            std::iter::once(found).chain(found["alternatives"].as_array().unwrap()).cloned().collect()
        };
        let can_be_given = |target: &Value| target["finished"] == true && target["text"] != "";
        let expected = all.iter().find(|&found| targets(found).iter().all(can_be_given)).unwrap();
        let texts: Vec<String> =
            targets(expected).iter().map(|target| target["text"].as_str().unwrap().to_string()).collect();
        page.run(
            "document.getElementById('ask-beam').value = 4; document.getElementById('ask-n-best').value = 3",
            vec![],
        )
        .await;
        page.write("#ask-text", expected["source"].as_str().unwrap()).await;
        page.click("#ask-go").await;
        attention_of(page, &texts[0]).await;
        assert_eq!(page.texts("#answers bdi").await, texts);
        page.click("#answers li li:nth-child(3) button").await;
        attention_of(page, &texts[2]).await;
        let chosen = "[...document.querySelectorAll('#answers .answer')].map((e) => e.ariaCurrent)";
        assert_eq!(page.value(chosen).await, json!([null, null, "true"]));
    });
}

/// Each translation has ten tokens and no end, which one that is given always has.
#[test]
fn what_was_cut_off_is_shown_only_as_the_server_decodes_by_itself() {
    on_page(&["--min-length", "10"], async |page, server| {
        let text = server.translations(json!({ "text": "3 1 4" })).remove(0)["text"].as_str().unwrap().to_string();
        page.write("#ask-text", &format!("3 1 4{ENTER}")).await;
        attention_of(page, &text).await;
        page.run("document.getElementById('ask-beam').value = 2", vec![]).await;
        page.click("#ask-go").await;
        page.until("document.querySelector('#answers .answer').disabled").await;
        page.until("document.body.classList.contains('waiting')").await;
        page.until("document.getElementById('ask-status').textContent === ''").await;
    });
}

#[test]
fn each_line_is_a_text() {
    on_page(&[], async |page, server| {
        let expected = server.translations(json!({ "texts": ["1 2", "3"] }));
        let texts: Vec<&str> = expected.iter().map(|translation| translation["text"].as_str().unwrap()).collect();
        page.write("#ask-text", &format!("1 2{SHIFT_AND_ENTER}3{ENTER}")).await;
        attention_of(page, texts[0]).await;
        assert_eq!(page.texts("#answers .of").await, ["1 2", "3"]);
        assert_eq!(page.texts("#answers bdi").await, texts);
    });
}

#[test]
fn a_refusal_is_told_and_the_next_request_is_answered() {
    on_page(&["--max-beam", "4"], async |page, _| {
        page.write("#ask-text", &"1 ".repeat(30)).await;
        page.write("#ask-text", ENTER).await;
        page.until("document.getElementById('ask-status').classList.contains('failed')").await;
        assert!(page.text("#ask-status").await.contains("text 1: 31 tokens"), "{}", page.text("#ask-status").await);
        page.run(
            "document.getElementById('ask-text').value = '1'; document.getElementById('ask-beam').value = 5",
            vec![],
        )
        .await;
        page.click("#ask-go").await;
        page.until("document.getElementById('ask-status').textContent.includes('beam = 5')").await;
        page.run("document.getElementById('ask-beam').value = 4", vec![]).await;
        page.click("#ask-go").await;
        page.until("document.querySelectorAll('#answers .answer').length === 1").await;
        page.until("document.getElementById('ask-status').textContent === ''").await;
    });
}

#[test]
fn a_server_that_is_gone_is_told() {
    on_page(&[], async |page, server| {
        server.signal("TERM");
        server.hears("stopped");
        page.write("#ask-text", &format!("1{ENTER}")).await;
        page.until("document.getElementById('ask-status').textContent.includes('does not answer')").await;
    });
}

/// Text of a model is text, whatever it looks like.
#[test]
fn markup_is_shown_as_text() {
    on_page(&[], async |page, _| {
        let text = "<img src=x onerror=window.ran=1> </script> &amp; 1";
        page.write("#ask-text", &format!("{text}{SHIFT_AND_ENTER}2{ENTER}")).await;
        page.until("document.querySelectorAll('#answers .of').length === 2").await;
        assert_eq!(page.texts("#answers .of").await, [text, "2"]);
        assert_eq!(page.value("typeof window.ran").await, "undefined");
    });
}

#[test]
fn controls_have_names_and_nothing_overflows_a_phone() {
    on_page(&[], async |page, _| {
        page.write("#ask-text", &format!("3 1 4{ENTER}")).await;
        page.until("!document.body.classList.contains('waiting')").await;
        let nameless = "[...document.querySelectorAll('#ask button, #ask input, #ask textarea')]\
             .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)";
        assert_eq!(page.value(nameless).await, json!([]));
        page.narrow().await;
        assert_eq!(page.value("document.documentElement.scrollWidth <= innerWidth").await, true);
    });
}

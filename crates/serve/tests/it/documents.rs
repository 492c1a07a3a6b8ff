//! Texts of several sentences.

use std::cell::Cell;

use serde_json::{Value, json};

use super::Client;

/// The translations of texts that are one sentence each.
async fn single(client: &Client, texts: &[&str]) -> Vec<Value> {
    let reply = client.post("/translate", json!({ "texts": texts, "sentences": false })).await;
    reply.json()["translations"].as_array().expect("an array").clone()
}

#[tokio::test]
async fn a_document_keeps_its_white_space() {
    let client = Client::new(|_| {});
    let sentences = single(&client, &["3 1 4", "1 5", "9 2"]).await;
    let text = |at: usize| sentences[at]["text"].as_str().expect("a text");
    let source = " 3 1 4\n\n  1 5\r\n\t9 2\n";
    let reply = client.post("/translate", json!({ "text": source })).await;
    let document = &reply.json()["translations"][0];
    assert_eq!(document["text"], format!(" {}\n\n  {}\r\n\t{}\n", text(0), text(1), text(2)));
    assert_eq!((&document["source"], &document["sentences"]), (&json!(source), &json!(sentences)));
}

#[tokio::test]
async fn sentences_false_reads_a_text_as_one() {
    let client = Client::new(|_| {});
    let reply = client.post("/translate", json!({ "text": "3 1\n4", "sentences": false })).await;
    let expected = client.post("/translate", json!({ "text": "3 1 4" })).await;
    assert_eq!(reply.json()["translations"][0]["tokens"], expected.json()["translations"][0]["tokens"]);
}

#[tokio::test]
async fn html_keeps_its_tags() {
    let client = Client::new(|_| {});
    let sentences = single(&client, &["3 1 4", "1 5"]).await;
    let html = "<ul>\n<li class=\"a\">3 1 4<li translate=no>7 7<li>1 5</ul><script>1 < 2</script>";
    let reply = client.post("/translate", json!({ "text": html, "format": "html" })).await;
    let text = |at: usize| sentences[at]["text"].as_str().expect("a text");
    let expected = html.replace("3 1 4", text(0)).replace("1 5", text(1));
    assert_eq!(reply.json()["translations"][0]["text"], expected);
}

#[tokio::test]
async fn long_documents_pass_through_a_short_queue() {
    let client = Client::new(|options| (options.limits.texts, options.limits.queue) = (4, 4));
    let text = vec!["3 1 4"; 50].join("\n");
    let reply = client.post("/translate", json!({ "text": text })).await;
    assert_eq!(reply.json()["translations"][0]["sentences"].as_array().map(Vec::len), Some(50));
}

/// Other requests keep the queue full; the sentences of a document that was admitted follow all the same.
#[tokio::test]
async fn an_admitted_document_is_finished() {
    let rejected = Cell::new(0);
    // The queue may be empty at each request by chance.
    for _ in 0..100 {
        document_beside_others(&rejected).await;
        if rejected.get() > 0 {
            return;
        }
    }
    panic!("the queue was never full");
}

/// Translates a document while other requests fill the queue; counts those that are rejected.
async fn document_beside_others(rejected: &Cell<usize>) {
    let client = Client::new(|options| (options.limits.texts, options.limits.queue) = (4, 4));
    let text = vec!["3 1 4"; 60].join("\n");
    let finished = Cell::new(false);
    let others = async || {
        // The document comes first.
        while client.metric("attend_queue_texts").await + client.metric("attend_texts_total").await == 0.0 {
            tokio::task::yield_now().await;
        }
        while !finished.get() {
            let reply = client.post("/translate", json!({ "texts": ["1", "2", "3", "4"] })).await;
            assert!([200, 503].contains(&reply.status), "{}", reply.text);
            rejected.set(rejected.get() + usize::from(reply.status == 503));
            tokio::task::yield_now().await;
        }
    };
    let document = async {
        let reply = client.post("/translate", json!({ "text": text })).await;
        finished.set(true);
        reply
    };
    let (reply, ..) = tokio::join!(document, others(), others(), others());
    assert_eq!(reply.json()["translations"][0]["sentences"].as_array().map(Vec::len), Some(60));
}

/// A sentence beyond the model's 24 positions is cut at clauses; one without clauses is cropped.
#[tokio::test]
async fn long_sentences_are_cut_at_clauses() {
    let client = Client::new(|_| {});
    let clause = vec!["1"; 20].join(" ");
    let reply = client.post("/translate", json!({ "text": format!("{clause}, {clause}") })).await;
    let sentences = &reply.json()["translations"][0]["sentences"];
    assert_eq!(sentences[0]["source"], format!("{clause},"));
    assert_eq!((&sentences[1]["source"], sentences[1].get("problem")), (&json!(clause), None));
    let reply = client.post("/translate", json!({ "text": format!("1\n{}", vec!["1"; 40].join(" ")) })).await;
    assert_eq!(reply.json()["translations"][0]["sentences"][1]["problem"]["kind"], "cropped");
}

#[tokio::test]
async fn documents_have_limits() {
    let client = Client::new(|options| options.limits.sentences = 3);
    let reply = client.post("/translate", json!({ "text": "1\n2\n3\n4" })).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (422, &json!("too_many_sentences")));
    for (body, code) in [
        (json!({ "text": "1", "sentences": 1 }), "invalid_request"),
        (json!({ "text": "1", "format": "pdf" }), "invalid_request"),
        (json!({ "text": "1", "format": "html", "sentences": false }), "invalid_option"),
    ] {
        let reply = client.post("/translate", body).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (422, &json!(code)));
    }
}

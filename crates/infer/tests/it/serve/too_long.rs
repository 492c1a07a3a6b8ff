//! Texts that are too long for the model: the other texts of a request keep their translations.

use serde_json::{Value, json};

use testing::http_client::Server;
use testing::run::{MAX_LENGTH, Run};

fn long() -> String {
    "1 ".repeat(MAX_LENGTH)
}

fn problem(kind: &str) -> Value {
    json!({ "kind": kind, "side": "source", "tokens": MAX_LENGTH + 1, "limit": MAX_LENGTH })
}

/// One bad text of a batch loses no other (nidhaloff/dolmetscher#11, OpenNMT/OpenNMT-py#1747,
/// facebookresearch/fairseq#5082).
#[test]
fn other_texts_keep_their_translations() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let alone = server.translations(json!({ "texts": ["1 2", "3"] }));
    let found = server.translations(json!({ "texts": ["1 2", long(), "", "3"] }));
    assert_eq!((found.len(), &found[0], &found[3]), (4, &alone[0], &alone[1]));
    assert_eq!(
        (&found[1]["problem"], &found[1]["text"], &found[1]["score"]),
        (&problem("too_long"), &json!(""), &json!(null))
    );
    assert_eq!(found[2].get("problem"), None, "an empty text is no problem");
}

#[test]
fn requests_choose_what_happens() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let beginning = server.translations(json!({ "text": "1 ".repeat(MAX_LENGTH - 1) }));
    let cropped = server.translations(json!({ "text": long(), "too_long": "crop" }));
    assert_eq!((&cropped[0]["problem"], &cropped[0]["text"]), (&problem("cropped"), &beginning[0]["text"]));
    let skipped = server.translations(json!({ "text": long(), "too_long": "skip" }));
    assert_eq!(skipped[0]["problem"], problem("too_long"));
    server.translate(json!({ "text": long() })).assert_error(422, "too_long", &["text 1", "25 tokens"]);
    server.translate(json!({ "texts": ["1", long()], "too_long": "fail" })).assert_error(422, "too_long", &["text 2"]);
}

#[test]
fn the_server_has_a_default() {
    let run = Run::new();
    let server = Server::start(&run, &["--too-long", "crop"]);
    for request in [json!({ "text": long() }), json!({ "texts": [long()] })] {
        assert_eq!(server.translations(request)[0]["problem"], problem("cropped"));
    }
    server.translate(json!({ "text": long(), "too_long": "fail" })).assert_error(422, "too_long", &[]);
    let strict = Server::start(&run, &["--too-long", "fail"]);
    strict.translate(json!({ "texts": [long()] })).assert_error(422, "too_long", &["text 1"]);
}

//! Responses of every path, with every option: equal to the output of `infer`.

use serde_json::{Value, json};

use testing::http_client::{Response, Server};
use testing::run::{Run, object, texts};

/// The output of `infer --format jsonl` for these texts.
fn infer_output(run: &Run, texts: &[String], options: &[&str]) -> Vec<Value> {
    let lines = run.translate_stdin(texts.join("\n"), &[options, &["--format", "jsonl"]].concat());
    lines.iter().map(|line| object(line)).collect()
}

#[test]
fn translations_equal_those_of_infer() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let texts = texts(30);
    let expected = infer_output(&run, &texts, &[]);
    assert_eq!(server.translations(json!({ "texts": texts })), expected);
    for (text, expected) in texts.iter().zip(&expected).take(5) {
        assert_eq!(server.translations(json!({ "text": text })), std::slice::from_ref(expected));
    }
    assert_eq!(server.translations(json!({ "texts": [] })), [] as [Value; 0]);
    let with_empty = ["".to_string(), "1".to_string()];
    assert_eq!(server.translations(json!({ "texts": with_empty })), infer_output(&run, &with_empty, &[]));
}

#[test]
fn options_equal_those_of_the_command_line() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let texts = texts(8);
    let default = infer_output(&run, &texts, &[]);
    for (options, arguments) in [
        (json!({ "beam": 4 }), &["--beam", "4"][..]),
        (json!({ "beam": 4, "length_penalty": 0.0 }), &["--beam", "4", "--length-penalty", "0"]),
        (
            json!({ "beam": 4, "length_penalty": { "form": "wu", "alpha": 3.0 } }),
            &["--beam", "4", "--length-penalty", "wu:3"],
        ),
        (json!({ "beam": 4, "n_best": 3 }), &["--beam", "4", "--n-best", "3"]),
        (json!({ "min_length": 9 }), &["--min-length", "9"]),
        (json!({ "min_length_ratio": 1.5 }), &["--min-length-ratio", "1.5"]),
        (json!({ "max_length": 3 }), &["--max-length", "3"]),
        (json!({ "max_length_ratio": 0.5 }), &["--max-length-ratio", "0.5"]),
        (json!({ "no_repeat_ngram": 2 }), &["--no-repeat-ngram", "2"]),
        (json!({ "repetition_penalty": 1.5 }), &["--repetition-penalty", "1.5"]),
        (json!({ "prefix": "7 7" }), &["--prefix", "7 7"]),
        (json!({ "sample": {} }), &["--sample"]),
        (json!({ "sample": { "seed": 5 }, "n_best": 4 }), &["--sample", "--seed", "5", "--n-best", "4"]),
        (
            json!({ "sample": { "top_k": 3, "top_p": 0.9, "temperature": 2.0, "seed": 7 } }),
            &["--sample", "--top-k", "3", "--top-p", "0.9", "--temperature", "2", "--seed", "7"],
        ),
        (json!({ "alignment": true }), &["--alignment"]),
        (
            json!({ "alignment": { "layer": 1, "head": 2 } }),
            &["--alignment", "--alignment-layer", "1", "--alignment-head", "2"],
        ),
    ] {
        let mut request = options.clone();
        request["texts"] = json!(texts);
        let expected = infer_output(&run, &texts, arguments);
        assert_ne!(expected, default, "{options} has no effect");
        assert_eq!(server.translations(request), expected, "{options}");
    }
}

/// Equal text, not only equal numbers: single-precision numbers have the same digits.
#[test]
fn translations_are_written_like_lines() {
    let run = Run::new();
    let lines = run.translate_stdin("3 1 4\n1", &["--format", "jsonl"]);
    let response = Server::start(&run, &[]).translate(json!({ "texts": ["3 1 4", "1"] }));
    assert_eq!(response.text(), format!("{{\"translations\":[{}]}}", lines.join(",")));
}

#[test]
fn alignment_false_is_the_default() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let default = server.translations(json!({ "text": "3 1 4" }));
    assert_eq!(server.translations(json!({ "text": "3 1 4", "alignment": false })), default);
}

#[test]
fn server_options_are_the_defaults() {
    let run = Run::new();
    let server = Server::start(&run, &["--max-length", "3", "--beam", "2"]);
    let texts = texts(5);
    assert_eq!(
        server.translations(json!({ "texts": texts })),
        infer_output(&run, &texts, &["--max-length", "3", "--beam", "2"])
    );
    let expected = infer_output(&run, &texts, &["--max-length", "3", "--beam", "1"]);
    assert_eq!(server.translations(json!({ "texts": texts, "beam": 1 })), expected);
}

#[test]
fn attention_equals_that_of_infer_attend() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    for (request, arguments) in [
        (json!({ "text": "3 1 4" }), &["3 1 4", "--output", "-"][..]),
        (json!({ "text": "3 1 4", "target": "1 5" }), &["3 1 4", "--target", "1 5", "--output", "-"]),
    ] {
        let response = server.post("/attend", request.to_string());
        assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
        let ran = run.attend(arguments);
        assert_eq!(response.text(), ran.stdout, "{request}");
    }
}

#[test]
fn health_describes_the_model() {
    let run = Run::new();
    let server = Server::start(&run, &["--beam", "3"]);
    let response = server.get("/health");
    assert_eq!(response.status, 200);
    let health = response.json();
    assert_eq!(health["status"], "ok");
    let model = &health["model"];
    assert_eq!(model["name"], run.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(model["backend"], "flex");
    assert_eq!((&model["source_vocabulary"], &model["target_vocabulary"]), (&json!(13), &json!(13)));
    assert_eq!(model["max_length"], 24);
    assert!(model["parameters"].as_u64().unwrap() > 1000);
    assert_eq!(health["decoding"]["beam"], 3);
    let later = server.get("/health").json()["uptime_seconds"].as_f64().unwrap();
    assert!(later > health["uptime_seconds"].as_f64().unwrap());
}

#[test]
fn the_page_is_self_contained() {
    let run = Run::new();
    let response = Server::start(&run, &[]).get("/");
    assert_eq!((response.status, response.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = response.text();
    for part in ["id=\"translate-form\"", "id=\"map-canvas\"", "function show(data)"] {
        assert!(page.contains(part), "{part}");
    }
    for absent in ["{{", "http://", "https://", "src=", "url("] {
        assert!(!page.contains(absent), "{absent}");
    }
}

/// Browsers and programs reuse a connection.
#[test]
fn a_connection_serves_many_requests() {
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let expected = server.translations(json!({ "text": "1 2" }));
    let request = String::from_utf8(Server::post_bytes("/translate", "{\"text\":\"1 2\"}")).unwrap();
    let mut stream = server.connect();
    for _ in 0..3 {
        std::io::Write::write_all(&mut stream, request.replace("connection: close\r\n", "").as_bytes()).unwrap();
        let response = Response::read(&mut stream).unwrap();
        assert_eq!(response.json()["translations"].as_array(), Some(&expected));
    }
}

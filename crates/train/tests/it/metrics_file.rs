//! The keys of each record in `metrics.jsonl`.

use crate::common::WorkFolder;

#[test]
fn every_record_is_logged_with_its_keys() {
    let place = WorkFolder::new();
    place.trained("run", &["--quiet"]);
    let lines = place.metrics("run");
    let steps = |key: &str| -> Vec<u64> {
        lines.iter().filter(|line| line.get(key).is_some()).map(|line| line["step"].as_u64().unwrap()).collect()
    };
    assert_eq!(steps("loss"), [5, 10, 15, 20]);
    assert_eq!(steps("validation"), [10, 20]);
    assert_eq!(steps("test"), [20]);
    for line in &lines {
        assert!(line["timing"]["seconds"].as_f64().unwrap() > 0.0, "{line}");
        let clockless = line.as_object().unwrap().keys().all(|key| !key.contains("second") && !key.contains("time"));
        assert!(clockless, "{line}");
    }
    for line in lines.iter().filter(|line| line.get("loss").is_some()) {
        let timing = |key: &str| line["timing"][key].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&timing("waiting_for_data")), "{line}");
        assert!(timing("tokens_per_second") > 0.0, "{line}");
    }
    let logged = &lines[0];
    for key in ["loss", "nll", "perplexity", "learning_rate", "gradient_norm", "tokens", "padding", "epoch"] {
        assert!(logged[key].is_number(), "{key} in {logged}");
    }
    let report = &lines.last().unwrap()["test"];
    for key in ["exact_match", "token_accuracy", "nll", "perplexity", "sentences"] {
        assert!(report[key].is_number(), "{key} in {report}");
    }
}

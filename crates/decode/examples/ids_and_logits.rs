//! Ids, logits and translations of a run folder, for comparison with other programs (`scripts/compare/with-transformers.py`).
//!
//! ```sh
//! cargo run -p decode --example ids_and_logits -- RUN INPUT.json OUTPUT.json
//! ```
//!
//! The input is `{"texts": […], "pairs": [[source ids, target ids], …], "beams": [1, 4]}`, where ids end with `</s>`, and
//! optionally `"languages": [source, target]`. The output has the source `ids` of each text, the `logits` of each pair, row
//! after row, and under `beams`, for each beam size, the best translations as `{ids, text, finished}`.

use std::collections::HashMap;
use std::path::Path;
use std::{env, fs};

use decode::{TrainedModel, Translator};
use model::backend;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Input {
    texts: Vec<String>,
    #[serde(default)]
    pairs: Vec<(Vec<u32>, Vec<u32>)>,
    #[serde(default)]
    beams: Vec<usize>,
    #[serde(default)]
    languages: [Option<String>; 2],
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [run, input, output] = &arguments[..] else {
        return Err("expected three arguments: RUN INPUT.json OUTPUT.json".into());
    };
    let Input { texts, pairs, beams, languages } = serde_json::from_slice(&fs::read(input)?)?;
    let trained = TrainedModel::open(Path::new(run), &backend::choose(None)?.open()?)?;
    let ids = texts.iter().map(|text| trained.source_tokenizer.encode(text)).collect::<Result<Vec<_>, _>>()?;

    let mut settings = trained.settings();
    for (own, given) in
        [&mut settings.decoding.source_lang, &mut settings.decoding.target_lang].into_iter().zip(languages)
    {
        *own = given.or(own.take());
    }
    let start = trained.frames(settings.decoding.languages())?.target.start;
    let mut logits = Vec::new();
    for (source, target) in &pairs {
        logits.push(trained.engine.record_from(start, source, target)?.logits.concat());
    }

    let labels = trained.target_tokenizer.labels().iter().cloned().zip(0..);
    let target_ids: HashMap<String, u32> = labels.collect();
    let mut answers = Map::new();
    for beam in beams {
        settings.decoding.beam = beam;
        let found = Translator::new(&trained, settings.clone())?.translate(&texts)?;
        let answer = found.iter().map(|translation| {
            let ids: Vec<u32> = translation.best.tokens.iter().map(|token| target_ids[token]).collect();
            json!({"ids": ids, "text": translation.text(), "finished": translation.best.finished})
        });
        answers.insert(beam.to_string(), Value::Array(answer.collect()));
    }
    fs::write(output, json!({"ids": ids, "beams": answers, "logits": logits}).to_string())?;
    Ok(())
}

//! Translates texts with a run folder: the best translation of each with a beam of four, its score and its alignment.
//!
//! ```sh
//! cargo run -p attend --example translate -- runs/toy-en-de "The cat sat on the mat." "The dog sleeps."
//! ```

use std::error::Error;
use std::path::PathBuf;

use attend::decode::alignment::AlignmentHeads;
use attend::decode::{TrainedModel, Translator};
use attend::model::backend;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let run = PathBuf::from(arguments.next().ok_or("usage: translate RUN TEXT...")?);
    let texts: Vec<String> = arguments.collect();

    let device = backend::choose(None)?.open()?;
    let model = TrainedModel::open(&run, &device)?;
    let mut settings = model.settings();
    settings.decoding.beam = 4;
    settings.alignment = Some(AlignmentHeads::default()); // the mean of all heads of cross-attention
    let translator = Translator::new(&model, settings)?;

    for result in translator.translate(&texts)? {
        println!("{}", result.source);
        println!("  {:.3}  {}", result.best.score, result.best.text);
        let pairs = result.best.alignment.unwrap_or_default();
        let pairs: Vec<String> = pairs.iter().map(|[source, target]| format!("{source}-{target}")).collect();
        println!("  alignment {}", pairs.join(" "));
    }
    Ok(())
}

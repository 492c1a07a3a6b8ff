//! Prints one head's cross-attention as a table: a row per target token, a column per source token.
//!
//! ```sh
//! cargo run -p attend --example attention_map -- runs/toy-en-de "The cat sat on the mat." 1 2
//! ```

use std::error::Error;
use std::path::PathBuf;

use attend::decode::TrainedModel;
use attend::model::backend;
use attend::views;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [run, text, layer, head] = &arguments[..] else {
        return Err("usage: attention_map RUN TEXT LAYER HEAD".into());
    };
    let (layer, head): (usize, usize) = (layer.parse()?, head.parse()?);

    let device = backend::choose(None)?.open()?;
    let model = TrainedModel::open(&PathBuf::from(run), &device)?;
    let attention = views::attend(&model, &model.settings(), text, None)?;
    let maps = &attention.maps.cross;
    let map = layer.checked_sub(1).and_then(|layer| maps.get(layer));
    let map = map.zip(head.checked_sub(1)).and_then(|(heads, head)| heads.get(head));
    let map = map.ok_or_else(|| {
        let heads = maps.first().map_or(0, Vec::len);
        format!("expected a layer from 1 to {} and a head from 1 to {heads}", maps.len())
    })?;

    print!("{:>12}", "");
    attention.source.tokens.iter().for_each(|token| print!("{token:>10}"));
    println!();
    for (token, weights) in attention.target.outputs.iter().zip(map) {
        print!("{token:>12}");
        weights.iter().for_each(|weight| print!("{weight:>10.3}"));
        println!();
    }
    Ok(())
}

//! temporary
use std::time::Instant;
use text::*;
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let mut lines: Vec<String> = vec![];
    for f in std::env::args().skip(2) {
        lines.extend(std::fs::read_to_string(format!("{dir}/{f}")).unwrap().lines().map(str::to_owned));
    }
    println!("{} lines", lines.len());
    for rule in [NormalizationRule::Lossless, NormalizationRule::Nfc, NormalizationRule::NmtNfkc] {
        let config = TokenizerConfig { vocab_size: 8000, normalization: Some(rule), ..Default::default() };
        let t = Instant::now();
        let tok = Tokenizer::train(&config, lines.iter()).unwrap();
        println!("{rule:?} train {:.2}s file {} bytes", t.elapsed().as_secs_f64(), tok.to_json().len());
        std::fs::write(format!("/tmp/tok-{}.json", rule.name()), tok.to_json()).unwrap();
        let changed = lines.iter().filter(|l| tok.normalize(l).unwrap() != **l).count();
        println!("  changed {changed}");
        let mut best = f64::MAX;
        let mut n = 0;
        for _ in 0..3 {
            let t = Instant::now();
            n = 0;
            for l in &lines { n += tok.encode(l).unwrap().len(); }
            best = best.min(t.elapsed().as_secs_f64());
        }
        println!("  encode {:.0} lines/s ({n} tokens)", lines.len() as f64 / best);
        let mut theirs: tokenizers::Tokenizer = tok.to_json().parse().unwrap();
        theirs.set_encode_special_tokens(true);
        let mut best = f64::MAX;
        for _ in 0..3 {
            let t = Instant::now();
            for l in &lines { n += theirs.encode_fast(l.as_str(), false).unwrap().get_ids().len(); }
            best = best.min(t.elapsed().as_secs_f64());
        }
        println!("  encode_fast of the library {:.0} lines/s", lines.len() as f64 / best);
        let mut best = f64::MAX;
        for _ in 0..3 {
            let t = Instant::now();
            for l in &lines { n += tok.normalize(l).unwrap().len(); }
            best = best.min(t.elapsed().as_secs_f64());
        }
        println!("  normalize alone {:.0} lines/s", lines.len() as f64 / best);
        let ids: Vec<_> = lines.iter().map(|l| tok.encode(l).unwrap()).collect();
        let t = Instant::now();
        for i in &ids { n += tok.decode(i).unwrap().len(); }
        let a = t.elapsed().as_secs_f64();
        let t = Instant::now();
        for i in &ids { n += theirs.decode(i, true).unwrap().len(); }
        println!("  decode {:.0} lines/s, library {:.0} lines/s {n}", lines.len() as f64 / a, lines.len() as f64 / t.elapsed().as_secs_f64());
    }
}

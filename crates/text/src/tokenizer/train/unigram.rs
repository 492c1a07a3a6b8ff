//! Training of unigram pieces.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use serde_json::{Value, json};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};

use super::alphabet::Alphabet;
use super::{failed, leading_added_tokens, leading_tokens};
use crate::TextError;
use crate::special_tokens::{BYTE_TOKENS, PAD, SPECIAL_TOKENS, UNKNOWN, UNKNOWN_ID};
use crate::tokenizer::TokenizerConfig;

/// Attempts at training, each with another order of the words.
const ATTEMPTS: usize = 16;

/// Trains pieces and their log-probabilities and returns the `model` entry of a tokenizer file.
pub(super) fn train(alphabet: &Alphabet, config: &TokenizerConfig) -> Result<Value, TextError> {
    let leading = leading_tokens().len();
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size((config.vocab_size - 1) as u32) // `<pad>` is added at the end
        .special_tokens(leading_added_tokens())
        .unk_token(Some(UNKNOWN.to_owned()))
        .build()
        .map_err(|error| failed("unigram", error))?;
    let counts: Vec<(String, u32)> =
        alphabet.words.iter().map(|(word, count)| (word.clone(), u32::try_from(*count).unwrap_or(u32::MAX))).collect();

    let learned = learn(&trainer, counts)?.split_off(leading);
    let pieces = settle_pieces(learned, config.vocab_size - SPECIAL_TOKENS - BYTE_TOKENS);

    let mut vocabulary: Vec<(String, f64)> =
        leading_tokens().into_iter().map(|label| (label, 0.0)).chain(pieces).collect();
    vocabulary.push((PAD.to_owned(), 0.0));
    if vocabulary.len() < config.vocab_size {
        return Err(TextError::VocabularyTooLarge { vocab_size: config.vocab_size, max: vocabulary.len() });
    }
    Ok(json!({
        "type": "Unigram",
        "unk_id": UNKNOWN_ID,
        "vocab": vocabulary,
        "byte_fallback": true,
    }))
}

/// Runs the crate's trainer, on one thread.
///
/// Its initial candidates come from a suffix array of `esaxx-rs`, whose Rust version indexes out of bounds on some texts.
/// Its recursive sort misses a run of equal symbols if only the last symbol is larger. The last symbol depends on the order
/// of the words, which has no effect on the trainer, so a failed attempt is repeated with another order.
fn learn(trainer: &UnigramTrainer, counts: Vec<(String, u32)>) -> Result<Vec<(String, f64)>, TextError> {
    const THREAD: &str = "unigram trainer";
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        // Failed attempts are not reported; all other panics are.
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some(THREAD) {
                report(panic);
            }
        }));
    });
    let one_thread = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| THREAD.into())
        .build()
        .map_err(|error| failed("unigram", error))?;
    for attempt in 0..ATTEMPTS {
        let mut counts = counts.clone();
        let first = (counts.len() * attempt).div_ceil(ATTEMPTS);
        counts.rotate_left(first);
        let learned = catch_unwind(AssertUnwindSafe(|| {
            one_thread.install(|| {
                let mut unigram = Unigram::default();
                trainer.do_train(counts, &mut unigram)?;
                Ok(unigram.iter().cloned().collect())
            })
        }));
        if let Ok(learned) = learned {
            return learned.map_err(|error: tokenizers::Error| failed("unigram", error));
        }
    }
    Err(failed("unigram", "the trainer cannot handle this text"))
}

/// Sorts learned pieces independently of hash maps, and keeps at most `room` of them.
fn settle_pieces(mut pieces: Vec<(String, f64)>, room: usize) -> Vec<(String, f64)> {
    let is_character = |piece: &str| piece.chars().nth(1).is_none();

    // Characters that training dropped return with the lowest score plus multiples of a small step, in hash order.
    // Reassign these scores in the order of the characters.
    let step = 0.0001; // as in the crate
    let lowest = pieces.iter().map(|piece| piece.1).fold(f64::INFINITY, f64::min);
    let mut above_lowest = 0.0;
    let mut ladder: Vec<(usize, f64)> = Vec::new();
    loop {
        let score = lowest + above_lowest;
        let before = ladder.len();
        ladder.extend(
            pieces.iter().enumerate().filter_map(|(place, (piece, found))| {
                (is_character(piece) && *found == score).then_some((place, score))
            }),
        );
        if ladder.len() == before {
            break;
        }
        above_lowest += step;
    }
    let scores: Vec<f64> = ladder.iter().map(|rung| rung.1).collect();
    let mut places: Vec<usize> = ladder.into_iter().map(|rung| rung.0).collect();
    places.sort_by(|a, b| pieces[*a].0.cmp(&pieces[*b].0));
    for (place, score) in places.into_iter().zip(scores) {
        pieces[place].1 = score;
    }

    // Six decimals suffice, and every JSON reader parses them to the same number.
    for (_, score) in &mut pieces {
        *score = (*score * 1e6).round() / 1e6;
    }
    pieces.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut surplus = pieces.len().saturating_sub(room);
    let mut from_the_end: Vec<(String, f64)> = pieces
        .into_iter()
        .rev()
        .filter(|(piece, _)| {
            let dropped = surplus > 0 && !is_character(piece);
            surplus -= usize::from(dropped);
            !dropped
        })
        .collect();
    from_the_end.reverse();
    from_the_end
}

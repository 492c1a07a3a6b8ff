//! SentencePiece's rule `nmt_nfkc` (version 0.2.3), built from Unicode's tables.
//!
//! SentencePiece replaces the longest key that matches, so its rule is a finite list rather than NFKC itself:
//!
//! * each character whose NFKC differs from it,
//! * for each decomposition (NFKD) that NFC composes: all sequences of single characters with that decomposition,
//! * without the keys that shorter keys replace equally,
//! * then white space and zero-width characters become spaces, some controls nothing, and `～` stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter;
use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_compatible;

use super::double_array;

/// Characters that become a space.
const SPACES: [char; 15] = [
    '\t', '\n', '\u{c}', '\r', '\u{61c}', '\u{1680}', '\u{200b}', '\u{200c}', '\u{200e}', '\u{200f}', '\u{2028}',
    '\u{2029}', '\u{2581}', '\u{feff}', '\u{fffd}',
];

/// Controls that are removed. SentencePiece keeps the other ones.
const REMOVED: [(u8, u8); 6] = [(1, 8), (0xB, 0xB), (0xE, 0x1F), (0x7F, 0x7F), (0x8F, 0x8F), (0x9F, 0x9F)];

/// A character that stays although NFKC replaces it: Japanese uses it differently from `~`.
const KEPT: char = '\u{ff5e}';

/// Replacements by key.
type Rules = HashMap<Vec<char>, Vec<char>>;
/// A key and its replacement.
type Rule = (Vec<char>, Vec<char>);

/// Returns the compiled table.
pub(super) fn charsmap() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let text = |characters: &[char]| characters.iter().collect::<String>();
        let rules: BTreeMap<String, String> = rules().iter().map(|(key, to)| (text(key), text(to))).collect();
        double_array::compile(&rules)
    })
}

fn rules() -> Rules {
    let mut rules = without_redundant(nfkc());
    rules.extend(SPACES.map(|space| (vec![space], vec![' '])));
    let removed = REMOVED.into_iter().flat_map(|(first, last)| first..=last);
    rules.extend(removed.map(|control| (vec![char::from(control)], vec![])));
    rules.remove(&[KEPT][..]);
    without_redundant(rules)
}

/// The rules of NFKC, redundant ones included.
fn nfkc() -> Rules {
    let mut rules = Rules::new();
    // The characters with the same decomposition of one character.
    let mut alike: HashMap<char, Vec<char>> = HashMap::new();
    let mut sequences: BTreeSet<Vec<char>> = BTreeSet::new();
    for character in '\u{1}'..=char::MAX {
        let mut nfkd = Vec::new();
        decompose_compatible(character, |part| nfkd.push(part));
        if nfkd == [character] {
            continue;
        }
        let composed: Vec<char> = iter::once(character).nfkc().collect();
        if composed != [character] {
            rules.insert(vec![character], composed);
        }
        match nfkd[..] {
            [one] => alike.entry(one).or_default().push(character),
            _ => drop(sequences.insert(nfkd)),
        }
    }
    for sequence in sequences {
        let composed: Vec<char> = sequence.iter().copied().nfc().collect();
        if composed == sequence {
            continue;
        }
        let mut spellings: Vec<Vec<char>> = vec![vec![]];
        for part in &sequence {
            let same = alike.get(part).map(Vec::as_slice).unwrap_or_default();
            let parts = || iter::once(part).chain(same);
            spellings = spellings
                .iter()
                .flat_map(|start| parts().map(move |part| start.iter().chain([part]).copied().collect()))
                .collect();
        }
        for spelling in spellings.into_iter().filter(|spelling| *spelling != composed) {
            rules.insert(spelling, composed.clone());
        }
    }
    rules
}

/// Drops keys whose replacement follows from shorter keys.
fn without_redundant(rules: Rules) -> Rules {
    let mut by_length: BTreeMap<usize, Vec<Rule>> = BTreeMap::new();
    for (key, to) in rules {
        by_length.entry(key.len()).or_default().push((key, to));
    }
    let mut kept = Rules::new();
    for (length, rules) in by_length {
        let needed = |(key, to): &Rule| length == 1 || replace(&kept, key, length - 1) != *to;
        let needed: Vec<_> = rules.into_iter().filter(needed).collect();
        kept.extend(needed);
    }
    kept
}

/// Replaces the longest keys of at most `longest` characters, from left to right.
fn replace(rules: &Rules, text: &[char], longest: usize) -> Vec<char> {
    let mut replaced = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let found = (1..=longest.min(rest.len())).rev().find_map(|length| Some((length, rules.get(&rest[..length])?)));
        match found {
            Some((length, to)) => {
                replaced.extend(to);
                rest = &rest[length..];
            }
            None => {
                replaced.push(*first);
                rest = &rest[1..];
            }
        }
    }
    replaced
}

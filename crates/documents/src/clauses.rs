//! Clauses of a sentence that is longer than a model.

/// Cuts a sentence that does not fit at the ends of its clauses: at commas, semicolons, colons and dashes.
///
/// Each piece holds as many clauses as fit, with the white space that follows them. A clause that does not fit alone is a
/// piece of its own. `fits` is true for every beginning of a text that fits.
///
/// ```
/// let pieces = documents::clauses("one two, three; four five six seven", |text| text.split(' ').count() <= 3);
/// assert_eq!(pieces, ["one two, three; ", "four five six seven"]);
/// ```
pub fn clauses(sentence: &str, fits: impl Fn(&str) -> bool) -> Vec<&str> {
    let ends = clause_ends(sentence);
    let mut pieces = Vec::new();
    let (mut start, mut first) = (0, 0);
    while first < ends.len() {
        // `taken` clauses fit, or one that does not; found by doubling, then halving, so that few texts are tokenised.
        let fits = |count: usize| fits(sentence[start..ends[first + count - 1]].trim_end());
        let most = ends.len() - first;
        let (mut taken, mut step) = (1, 1);
        if fits(1) {
            while taken < most && fits((taken + step).min(most)) {
                taken = (taken + step).min(most);
                step *= 2;
            }
            while step > 1 {
                step /= 2;
                if taken + step <= most && fits(taken + step) {
                    taken += step;
                }
            }
        }
        let end = ends[first + taken - 1];
        pieces.push(&sentence[start..end]);
        (start, first) = (end, first + taken);
    }
    pieces
}

/// The ends of the clauses; the last is that of the sentence.
fn clause_ends(sentence: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    for (at, character) in sentence.char_indices() {
        let after = at + character.len_utf8();
        let needs_space = matches!(character, ',' | ';' | ':' | '–' | '—' | '-' | '،' | '؛');
        let is_wide = matches!(character, '，' | '、' | '；' | '：');
        let is_dash = matches!(character, '–' | '—' | '-');
        if !is_wide && !needs_space {
            continue;
        }
        let follows_space = sentence[..at].ends_with(char::is_whitespace);
        let rest = &sentence[after..];
        let spaces = rest.len() - rest.trim_start().len();
        if is_wide || spaces > 0 && (!is_dash || follows_space) {
            ends.push(after + spaces);
        }
    }
    if ends.last() != Some(&sentence.len()) {
        ends.push(sentence.len());
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_as_many_clauses_as_fit() {
        let sentence = "a, b; c: d – e, f";
        for limit in 1..20 {
            let pieces = clauses(sentence, |text| text.len() <= limit);
            assert_eq!(pieces.concat(), sentence, "{limit}");
            for (at, piece) in pieces.iter().enumerate() {
                let is_one = clause_ends(piece).len() == 1;
                assert!(piece.trim_end().len() <= limit || is_one, "{limit}: {piece}");
                let next = pieces.get(at + 1).map_or("", |next| &next[..clause_ends(next)[0]]);
                let more = format!("{piece}{next}");
                assert!(next.is_empty() || more.trim_end().len() > limit, "{limit}: {piece} has room for {next}");
            }
        }
    }

    #[test]
    fn numbers_and_words_stay_whole() {
        assert_eq!(clauses("1,000 well-known 10:30", |_| false), ["1,000 well-known 10:30"]);
        assert_eq!(clauses("他来了，我走了、你呢", |_| false), ["他来了，", "我走了、", "你呢"]);
    }
}

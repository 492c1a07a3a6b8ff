//! The tokenization of WMT's `mteval-v13a` script, as sacreBLEU implements it.

/// Separates words and punctuation of `line` by spaces.
pub(super) fn tokenize_13a(line: &str) -> String {
    let mut line = line.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if line.contains('&') {
        line = line.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    }

    let mut characters = vec![' '];
    characters.extend(line.chars().flat_map(|character| {
        let spaced = is_symbol(character);
        let space = spaced.then_some(' ');
        space.into_iter().chain([character]).chain(space)
    }));
    characters.push(' ');

    let is_digit = |character: char| character.is_ascii_digit();
    let is_point = |character: char| matches!(character, '.' | ',');
    // A point or comma is separated unless a digit precedes it,
    characters = replace_pairs(&characters, |a, b| !is_digit(a) && is_point(b), |a, b| vec![a, ' ', b, ' ']);
    // and unless a digit follows it.
    characters = replace_pairs(&characters, |a, b| is_point(a) && !is_digit(b), |a, b| vec![' ', a, ' ', b]);
    // A dash is separated after a digit.
    characters = replace_pairs(&characters, |a, b| is_digit(a) && b == '-', |a, b| vec![a, ' ', b, ' ']);
    characters.into_iter().collect()
}

/// Whether a character is an ASCII sign that always becomes a token: all but apostrophe, comma, dash and point. Includes
/// the space.
fn is_symbol(character: char) -> bool {
    matches!(character, ' '..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~')
}

/// Replaces pairs of neighbours from left to right without overlap, like a regular expression.
fn replace_pairs(
    characters: &[char],
    matches: impl Fn(char, char) -> bool,
    replacement: impl Fn(char, char) -> Vec<char>,
) -> Vec<char> {
    let mut replaced = Vec::with_capacity(characters.len() * 2);
    let mut rest = characters;
    loop {
        match *rest {
            [a, b, ref after @ ..] if matches(a, b) => {
                replaced.extend(replacement(a, b));
                rest = after;
            }
            [a, ref after @ ..] => {
                replaced.push(a);
                rest = after;
            }
            [] => return replaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tokenize_13a;

    #[test]
    fn punctuation_numbers_and_entities() {
        for (line, expected) in [
            ("", ""),
            ("Hello, world.", "Hello , world ."),
            ("3.14 and 1,000.", "3.14 and 1,000 ."),
            ("wait... .5 a.b", "wait . . . . 5 a . b"),
            ("1-2 a-b 3-", "1 - 2 a-b 3 -"),
            ("it's &quot;so&quot; &amp;lt;", "it's \" so \" <"),
            ("(x/y)<skipped>", "( x / y )"),
            ("„Ja“ – nein…", "„Ja“ – nein…"),
        ] {
            let found: Vec<String> = super::super::split_spaces(&tokenize_13a(line)).map(str::to_owned).collect();
            assert_eq!(found.join(" "), expected, "{line:?}");
        }
    }
}

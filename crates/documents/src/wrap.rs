//! The lines of a subtitle.

/// Wraps a text into this many lines of similar length, at spaces outside of tags, which have no width. A text with too few
/// spaces has fewer lines.
pub fn wrap(text: &str, lines: usize, line_end: &str) -> String {
    let spaces = spaces(text);
    let total = text.chars().count() - tag_characters(text);
    let mut breaks = Vec::new();
    let mut from = 0;
    for line in 1..lines {
        // The space at which the line is nearest to its share.
        let share = total * line / lines;
        let Some(at) = (from..spaces.len()).min_by_key(|&at| share.abs_diff(spaces[at].1)) else { break };
        breaks.push(spaces[at].0);
        from = at + 1;
    }
    let mut wrapped = String::with_capacity(text.len());
    let mut start = 0;
    for at in breaks {
        wrapped.push_str(&text[start..at]);
        wrapped.push_str(line_end);
        start = at + 1;
    }
    wrapped + &text[start..]
}

/// The spaces outside of tags: their bytes, and the characters before them.
fn spaces(text: &str) -> Vec<(usize, usize)> {
    let (mut in_tag, mut width) = (false, 0);
    let mut spaces = Vec::new();
    for (at, character) in text.char_indices() {
        match character {
            '<' | '{' => in_tag = true,
            '>' | '}' => in_tag = false,
            _ if in_tag => {}
            _ => {
                if character == ' ' {
                    spaces.push((at, width));
                }
                width += 1;
            }
        }
    }
    spaces
}

/// The number of characters that belong to tags.
fn tag_characters(text: &str) -> usize {
    let mut in_tag = false;
    let is_part = |character: &char| {
        let was_in_tag = in_tag;
        in_tag = matches!(character, '<' | '{') || in_tag && !matches!(character, '>' | '}');
        in_tag || was_in_tag || matches!(character, '>' | '}')
    };
    text.chars().filter(is_part).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_similar_lengths() {
        assert_eq!(wrap("one two three four", 2, "\n"), "one two\nthree four");
        assert_eq!(wrap("one two three four", 1, "\n"), "one two three four");
        assert_eq!(wrap("one", 3, "\n"), "one");
        assert_eq!(wrap("a b c", 3, "\r\n"), "a\r\nb\r\nc");
        assert_eq!(wrap("a bb <font color=red>cc dd</font>", 2, "\n"), "a bb\n<font color=red>cc dd</font>");
    }
}

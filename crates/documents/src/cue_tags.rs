//! What the tags of subtitles have beyond HTML: classes (`<c.yellow>`) and times (`<00:01.500>`).

use std::borrow::Cow;

/// The element of a tag's name, which its end tag has alone: `c` of `c.yellow`.
pub(crate) fn element(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The text of a cue in which HTML reads its times as tags, with all bytes where they were.
pub(crate) fn with_times(cue: &str) -> Cow<'_, str> {
    let mut read = Cow::Borrowed(cue);
    for (at, _) in cue.match_indices('<').filter(|(at, _)| begins_time(&cue[*at..])) {
        // Names of tags begin with a letter.
        read.to_mut().replace_range(at + 1..at + 2, "t");
    }
    read
}

/// Whether a text begins with a time.
pub(crate) fn begins_time(text: &str) -> bool {
    let time = text
        .strip_prefix('<')
        .map_or("", |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | '.')));
    let len = text.len() - time.len();
    time.starts_with('>') && text[..len].contains(':') && text[1..].starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_tags() {
        assert_eq!(with_times("a <00:01.500>b < 3 <2> <i>"), "a <t0:01.500>b < 3 <2> <i>");
        assert!(begins_time("<00:00:01.500>"));
        for text in ["", "<", "<>", "<3>", "<:1>", "<00:01", "a<00:01>", "<b:1>", "<1:a>"] {
            assert!(!begins_time(text), "{text}");
        }
    }
}

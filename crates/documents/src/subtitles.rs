//! Subtitles: SubRip (`.srt`) and WebVTT (`.vtt`). Numbers, times, settings and comments stay as they are.

use crate::document::{Document, Escape, Piece, push_kept};
use crate::html::inline_pieces;
use crate::sentences::Segmenter;

/// The arrow between the times of a cue.
const ARROW: &str = "-->";

impl Document {
    /// SubRip subtitles. The text of a cue is translated as a whole and wrapped into as many lines as it had.
    pub fn from_srt(text: &str, segmenter: &Segmenter) -> Self {
        cues(text, Escape::None, segmenter)
    }

    /// WebVTT subtitles, as [`from_srt`](Self::from_srt).
    pub fn from_vtt(text: &str, segmenter: &Segmenter) -> Self {
        cues(text, Escape::Html, segmenter)
    }
}

fn cues(text: &str, escape: Escape, segmenter: &Segmenter) -> Document {
    let mut pieces = Vec::new();
    let mut lines = lines(text).peekable();
    while let Some(line) = lines.next() {
        push_kept(&mut pieces, line);
        if !line.contains(ARROW) {
            continue;
        }
        // The lines up to the next blank one are the text of the cue.
        let mut cue = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty() && !line.contains(ARROW)) {
            cue.push(line);
        }
        // Without a blank line before it, the number of the next cue.
        let number = match lines.peek().is_some_and(|line| line.contains(ARROW)) {
            true => cue.pop_if(|line| is_number(line)),
            false => None,
        };
        // A line that begins with a dash is another speaker's.
        let mut rest = &cue[..];
        while !rest.is_empty() {
            let next = rest.iter().skip(1).position(|line| is_dialogue(line)).map_or(rest.len(), |at| at + 1);
            add_lines(&mut pieces, &rest[..next], escape, segmenter);
            rest = &rest[next..];
        }
        push_kept(&mut pieces, number.unwrap_or_default());
    }
    Document { pieces }
}

/// The lines with their ends: LF, CR, or LF after any number of CRs, which some programs write twice.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.find(['\r', '\n']).map_or(rest.len(), |at| {
            let returns = rest[at..].len() - rest[at..].trim_start_matches('\r').len();
            if rest[at + returns..].starts_with('\n') { at + returns + 1 } else { at + 1 }
        });
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// Whether a line is the number of a cue.
fn is_number(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && line.chars().all(|character| character.is_ascii_digit())
}

fn is_dialogue(line: &str) -> bool {
    line.trim_start().starts_with(['-', '–', '—'])
}

/// Adds the lines of one speaker. The last line's end stays as it is; between the others it is the wrapping's.
fn add_lines(pieces: &mut Vec<Piece>, lines: &[&str], escape: Escape, segmenter: &Segmenter) {
    let text: Vec<&str> = lines.iter().map(|line| line.trim_end_matches(['\r', '\n'])).collect();
    let last = lines.last().map_or("", |line| line);
    let joined = text.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let ends = ["\r\n", "\r"];
    let line_end = ends.into_iter().find(|end| lines.first().is_some_and(|line| line.ends_with(end))).unwrap_or("\n");
    pieces.push(Piece::Lines { pieces: inline_pieces(&joined, escape, segmenter), count: lines.len(), line_end });
    push_kept(pieces, &last[last.trim_end_matches(['\r', '\n']).len()..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inline::TagKind;

    fn marked(document: Document) -> String {
        document.render(|sentence| format!("[{}]", sentence.text))
    }

    #[test]
    fn cues_are_translated_and_wrapped() {
        let srt = "1\r\n00:00:01,000 --> 00:00:02,500\r\nOne two\r\nthree four. Five.\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n\
                   - Six.\r\n- <i>Seven</i> & eight.\r\n";
        let expected = "1\r\n00:00:01,000 --> 00:00:02,500\r\n[One two three\r\nfour.] [Five.]\r\n\r\n2\r\n\
                        00:00:03,000 --> 00:00:04,000\r\n[- Six.]\r\n[- Seven & eight.]\r\n";
        assert_eq!(marked(Document::from_srt(srt, &Segmenter::new(Some("en")))), expected);
    }

    #[test]
    fn headers_notes_and_settings_stay() {
        let vtt = "WEBVTT - Title\n\nNOTE One. Two.\n\nSTYLE\n::cue {}\n\nid\n00:01.000 --> 00:02.000 align:start\n<v Ann>One.\n";
        let expected = vtt.replace("<v Ann>One.", "<v Ann>[One.]");
        let document = Document::from_vtt(vtt, &Segmenter::new(Some("en")));
        let Some(Piece::Lines { .. }) = document.pieces.get(1) else { panic!("{:?}", document.pieces) };
        let rendered = marked(document);
        assert_eq!(rendered.replace("[One.]", "<v Ann>[One.]"), expected, "the tag is part of the sentence");
    }

    #[test]
    fn times_and_classes_are_tags() {
        let vtt = "WEBVTT\n\n00:00.000 --> 00:02.000\none <00:00:01.500>two <c.yellow>three</c> <v.loud Ann>four</v> five < six <b\n";
        let document = Document::from_vtt(vtt, &Segmenter::new(Some("en")));
        assert_eq!(document.sentences().collect::<Vec<_>>(), ["one two three four five < six <b"]);
        let Some(Piece::Lines { pieces, .. }) = document.pieces.get(1) else { panic!("{:?}", document.pieces) };
        let [Piece::Sentence(sentence)] = &pieces[..] else { panic!("{pieces:?}") };
        let tags: Vec<&str> = sentence.tags.iter().map(|tag| &tag.markup[..]).collect();
        assert_eq!(tags, ["<00:00:01.500>", "<c.yellow>", "</c>", "<v.loud Ann>", "</v>"]);
        let kinds: Vec<TagKind> = sentence.tags.iter().map(|tag| tag.kind.clone()).collect();
        let [open, close] = [TagKind::Open, TagKind::Close];
        let named = |kind: fn(String) -> TagKind, name: &str| kind(name.to_string());
        let expected = [TagKind::Point, named(open, "c"), named(close, "c"), named(open, "v"), named(close, "v")];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn cues_without_a_blank_line_keep_their_numbers() {
        let srt = "1\n00:01,0 --> 00:02,0\nOne\n2\n00:02,0 --> 00:03,0\n3\n\n4\n00:04,0 --> 00:05,0\nFour";
        let expected = "1\n00:01,0 --> 00:02,0\n[One]\n2\n00:02,0 --> 00:03,0\n[3]\n\n4\n00:04,0 --> 00:05,0\n[Four]";
        assert_eq!(marked(Document::from_srt(srt, &Segmenter::new(Some("en")))), expected);
    }

    #[test]
    fn lines_may_end_with_cr() {
        let vtt = "WEBVTT\r\r00:01.000 --> 00:02.000\rOne two\rthree\r\r";
        let document = Document::from_vtt(vtt, &Segmenter::new(Some("en")));
        let expected = "WEBVTT\r\r00:01.000 --> 00:02.000\r[One two\rthree]\r\r";
        assert_eq!(marked(document), expected);
        let twice = "1\r\r\n00:01,0 --> 00:02,0\r\r\nOne\r\r\n\r\r\n2\r\r\n00:03,0 --> 00:04,0\r\r\nTwo";
        let expected = twice.replace("One", "[One]").replace("Two", "[Two]");
        assert_eq!(marked(Document::from_srt(twice, &Segmenter::new(Some("en")))), expected);
    }
}

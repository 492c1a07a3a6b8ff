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
    let mut lines = text.split_inclusive('\n').peekable();
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
        // A line that begins with a dash is another speaker's.
        let mut rest = &cue[..];
        while !rest.is_empty() {
            let next = rest.iter().skip(1).position(|line| is_dialogue(line)).map_or(rest.len(), |at| at + 1);
            add_lines(&mut pieces, &rest[..next], escape, segmenter);
            rest = &rest[next..];
        }
    }
    Document { pieces }
}

fn is_dialogue(line: &str) -> bool {
    line.trim_start().starts_with(['-', '–', '—'])
}

/// Adds the lines of one speaker. The last line's end stays as it is; between the others it is the wrapping's.
fn add_lines(pieces: &mut Vec<Piece>, lines: &[&str], escape: Escape, segmenter: &Segmenter) {
    let text: Vec<&str> = lines.iter().map(|line| line.trim_end_matches(['\r', '\n'])).collect();
    let last = lines.last().map_or("", |line| line);
    let joined = text.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let line_end = lines.first().map_or("", |line| if line.ends_with("\r\n") { "\r\n" } else { "\n" });
    pieces.push(Piece::Lines { pieces: inline_pieces(&joined, escape, segmenter), count: lines.len(), line_end });
    push_kept(pieces, &last[last.trim_end_matches(['\r', '\n']).len()..]);
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

//! HTML documents: the text of blocks is translated, and every tag stays, byte for byte.
//!
//! A block element, or a line break, ends a sentence. Inline elements are part of a sentence, and the alignment places them
//! in its translation. The contents of `script`, `style`, `code` and the like, of elements with `translate="no"` or the
//! class `notranslate`, and attributes stay as they are.

use std::borrow::Cow;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};

use crate::cue_tags;
use crate::document::{Document, Escape, Piece, push_kept};
use crate::html_elements::{is_inline, is_verbatim};
use crate::inline::{Tag, TagKind};
use crate::open_elements::{OpenElements, is_void};
use crate::run::{Writer, add_run};
use crate::sentences::Segmenter;

impl Document {
    /// An HTML document or fragment. Malformed HTML is read as browsers read it, and stays malformed.
    pub fn from_html(html: &str, segmenter: &Segmenter) -> Self {
        let mut reader = Reader::new(html, Escape::Html, segmenter);
        reader.read();
        reader.finish()
    }
}

/// The pieces of a fragment in which every element is part of a sentence, as in a subtitle.
pub(crate) fn inline_pieces(fragment: &str, escape: Escape, segmenter: &Segmenter) -> Vec<Piece> {
    let mut reader = Reader::new(fragment, escape, segmenter);
    reader.all_inline = true;
    reader.read();
    reader.finish().pieces
}

/// Collects runs of text and inline tags, and ends a run at each block.
struct Reader<'a> {
    html: &'a str,
    escape: Escape,
    /// Whether every element is part of a sentence, as in a subtitle.
    all_inline: bool,
    /// Whether all lines end with CR and LF. The tokenizer returns LF alone.
    ends_with_cr: bool,
    segmenter: &'a Segmenter,
    pieces: Vec<Piece>,
    elements: OpenElements,
    /// The byte where the current run begins.
    run_start: usize,
    /// The text of the run.
    text: String,
    tags: Vec<Tag>,
    /// The byte up to which everything is in `pieces` or in the run.
    done: usize,
    /// The byte where an untranslated part of the run begins, and whether its element is inline.
    untranslated: Option<(usize, bool)>,
}

impl<'a> Reader<'a> {
    fn new(html: &'a str, escape: Escape, segmenter: &'a Segmenter) -> Self {
        let (pieces, elements) = (Vec::new(), OpenElements::default());
        let (text, tags, untranslated) = (String::new(), Vec::new(), None);
        Self {
            html,
            escape,
            all_inline: false,
            ends_with_cr: html.contains('\n') && html.matches('\n').count() == html.matches("\r\n").count(),
            segmenter,
            pieces,
            elements,
            run_start: 0,
            text,
            tags,
            done: 0,
            untranslated,
        }
    }

    fn read(&mut self) {
        let mut emitter = DefaultEmitter::<usize>::new_with_span();
        emitter.naively_switch_states(true);
        let all_inline = self.all_inline;
        let is_inline = |name: &str| all_inline || is_inline(name);
        let element: fn(&str) -> &str = if all_inline { cue_tags::element } else { |name| name };
        let html = if all_inline { cue_tags::with_times(self.html) } else { Cow::Borrowed(self.html) };
        let mut end = 0;
        for Ok(token) in Tokenizer::new_with_emitter(&*html, emitter) {
            match token {
                Token::String(text) => {
                    end = text.span.end;
                    if self.untranslated.is_none() {
                        self.text.push_str(&String::from_utf8_lossy(&text));
                    }
                }
                Token::StartTag(tag) => {
                    end = tag.span.end;
                    let name = String::from_utf8_lossy(&tag.name).into_owned();
                    self.start(element(&name), &tag, is_inline(&name));
                }
                Token::EndTag(tag) => {
                    end = tag.span.end;
                    let name = String::from_utf8_lossy(&tag.name).into_owned();
                    self.end(element(&name), tag.span.start, tag.span.end, is_inline(&name));
                }
                Token::Comment(comment) => {
                    end = comment.span.end;
                    self.tag(comment.span.start, comment.span.end, TagKind::Point, true);
                }
                Token::Doctype(doctype) => {
                    end = doctype.span.end;
                    self.tag(doctype.span.start, doctype.span.end, TagKind::Point, false);
                }
                Token::Error(_) => {}
            }
        }
        self.unfinished_tag(end);
    }

    /// Keeps a tag that the document ends in, which is no token. In a subtitle it is text, such as `3 <b`.
    fn unfinished_tag(&mut self, start: usize) {
        let Some(rest) = self.html.get(start..).filter(|rest| !rest.is_empty()) else { return };
        match self.all_inline && self.untranslated.is_none() {
            true => self.text.push_str(rest),
            false => self.tag(start, self.html.len(), TagKind::Point, true),
        }
    }

    fn start(&mut self, name: &str, tag: &StartTag<usize>, inline: bool) {
        let attribute = |name: &str| tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value));
        let is_verbatim = is_verbatim(name)
            || attribute("class").is_some_and(|class| class.split_ascii_whitespace().any(|one| one == "notranslate"));
        let translate = match attribute("translate").map(|value| value.to_ascii_lowercase()).as_deref() {
            Some("no") => Some(false),
            Some("yes" | "") => Some(true),
            _ => is_verbatim.then_some(false),
        };
        let (start, end) = (tag.span.start, tag.span.end);
        let is_empty = is_void(name)
            || tag.self_closing && (self.all_inline || matches!(name, "svg" | "math"))
            || self.all_inline && cue_tags::begins_time(&self.html[start..]);
        if is_empty {
            self.tag(start, end, TagKind::Point, inline);
            return;
        }
        self.elements.open(name, translate);
        if self.elements.translated() {
            // The start of one element may end another.
            self.resume(start);
            self.tag(start, end, TagKind::Open(name.to_string()), inline);
        } else if self.untranslated.is_none() {
            self.untranslated = Some((start, inline));
        }
    }

    fn end(&mut self, name: &str, start: usize, end: usize, inline: bool) {
        let was_translated = self.elements.translated();
        self.elements.close(name);
        if !self.elements.translated() {
            // The end of a translated part within an untranslated one.
            if was_translated {
                self.tag(start, end, TagKind::Close(name.to_string()), inline);
                self.untranslated = Some((end, inline));
            }
            return;
        }
        match self.untranslated.take() {
            Some((from, part_inline)) => self.tag(from, end, TagKind::Point, part_inline && inline),
            None => self.tag(start, end, TagKind::Close(name.to_string()), inline),
        }
    }

    /// Ends an untranslated part at `at`, if there is one.
    fn resume(&mut self, at: usize) {
        if let Some((from, inline)) = self.untranslated.take() {
            self.tag(from, at, TagKind::Point, inline);
        }
    }

    /// Adds a tag to the run, or ends the run at the tag of a block.
    fn tag(&mut self, start: usize, end: usize, kind: TagKind, inline: bool) {
        if self.untranslated.is_some() || start < self.done || end < start || self.html.get(start..end).is_none() {
            return;
        }
        if inline {
            self.tags.push(Tag { at: self.text.len(), markup: self.html[start..end].to_string(), kind });
        } else {
            self.end_run(start);
            push_kept(&mut self.pieces, &self.html[start..end]);
            self.run_start = end;
        }
        self.done = end;
    }

    /// Turns the run, which ends at this byte, into pieces.
    fn end_run(&mut self, end: usize) {
        let (text, tags) = (std::mem::take(&mut self.text), std::mem::take(&mut self.tags));
        if text.trim().is_empty() {
            push_kept(&mut self.pieces, &self.html[self.run_start..end]);
        } else {
            // In HTML a line break is a space.
            let line = text.replace(['\n', '\r', '\t', '\u{c}'], " ");
            let writer = Writer { escape: self.escape, ends_with_cr: self.ends_with_cr };
            add_run(&mut self.pieces, &text, &line, tags, writer, self.segmenter);
        }
    }

    fn finish(mut self) -> Document {
        let end = self.html.len();
        self.resume(end);
        self.end_run(end);
        Document { pieces: self.pieces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::Places;
    use crate::inline;

    fn document(html: &str) -> Document {
        Document::from_html(html, &Segmenter::new(Some("en")))
    }

    /// Every sentence in brackets.
    fn marked(html: &str) -> String {
        document(html).render(|sentence| format!("[{}]", sentence.text))
    }

    #[test]
    fn blocks_and_breaks_end_sentences() {
        let html = "<!DOCTYPE html>\n<p class=x>One\n two. Three<br/>four</P >\n<ul><li> five <li>six</ul>";
        let expected =
            "<!DOCTYPE html>\n<p class=x>[One  two.] [Three]<br/>[four]</P >\n<ul><li> [five] <li>[six]</ul>";
        assert_eq!(marked(html), expected);
    }

    #[test]
    fn untranslated_parts_stay() {
        for html in [
            "<script>a < b; // One. Two.</script>",
            "<style>p { }</style>",
            "<pre>One. <b>Two</b></pre>",
            "<div translate=no>One. <p>Two</p></div>",
            "<p class='a notranslate'>One.</p>",
            "<!-- One. -->",
            "<svg><text>One</text></svg>",
            "<xmp>One <b>two</b></xmp>",
            "<p translate=NO>One.</p>",
            " \n&nbsp;",
            "",
        ] {
            assert_eq!(marked(html), html);
        }
        assert_eq!(
            marked("<div translate=no>a<p translate=yes>b</p>c</div>d"),
            "<div translate=no>a<p translate=yes>[b]</p>c</div>[d]"
        );
        assert_eq!(marked("<p translate=no>a<p>b"), "<p translate=no>a<p>[b]");
        assert_eq!(marked("<div translate=no>a</b>b</div>c"), "<div translate=no>a</b>b</div>[c]");
        assert_eq!(marked("<svg/>a"), "[a]", "the tag is part of the sentence");
    }

    #[test]
    fn inline_elements_are_part_of_a_sentence() {
        let document = document("<p>a <b>b</b> <code>x. Y</code> c &amp; d.</p>");
        assert_eq!(document.sentences().collect::<Vec<_>>(), ["a b  c & d."]);
        let Piece::Sentence(sentence) = &document.pieces[1] else { panic!("{:?}", document.pieces) };
        let tags: Vec<(usize, &str)> = sentence.tags.iter().map(|tag| (tag.at, &tag.markup[..])).collect();
        assert_eq!(tags, [(2, "<b>"), (3, "</b>"), (4, "<code>x. Y</code>")]);
        let html = "<p>One <svg><path/></svg> <math></math> <picture><source><img></picture> two <ruby>三<rt>san</rt></ruby>.</p>";
        assert_eq!(self::document(html).sentences().collect::<Vec<_>>(), ["One    two 三."]);
    }

    #[test]
    fn malformed_html_stays_byte_for_byte() {
        for html in
            ["<p", "a<b", "</", "<a href='x", "a</b>c", "<!--", "<![CDATA[a]]>", "&#0;&bogus;\0", "<p><p></b></p></p>"]
        {
            let kept = document(html).render(|sentence| sentence.escape.write(&sentence.text));
            let tags = |text: &str| text.matches('<').count();
            assert!(tags(&kept) <= tags(html), "{html}: {kept}");
        }
        for html in ["<p", "<p>1</p><p>2 <b", "1 <a href='x", "<svg><p", "1 <p translate=no>2 <b", "<!--"] {
            let written = document(html).render(|sentence| {
                inline::write(&sentence.tags, sentence.text.len(), &sentence.text, &Places::default(), sentence.escape)
            });
            assert_eq!(written, html);
        }
        assert_eq!(marked("a <b>b</i> c"), "[a b c]");
    }

    #[test]
    fn line_ends_stay() {
        let html = "<p>\r\nOne. Two.\r\nThree\r\nfour\r\n</p>\r\n";
        assert_eq!(marked(html), "<p>\r\n[One.] [Two.]\r\n[Three four]\r\n</p>\r\n");
        assert_eq!(marked("<p>\nOne\n</p>"), "<p>\n[One]\n</p>");
        assert_eq!(marked("<p>\nOne\n</p>\r\n"), "<p>\n[One]\n</p>\r\n");
    }
}

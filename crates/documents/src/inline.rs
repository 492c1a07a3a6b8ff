//! Tags inside a sentence, placed in its translation by the alignment of tokens.
//!
//! An element encloses the target tokens whose source tokens it enclosed. A tag without a partner in the sentence, an image
//! or a part that stays untranslated stands before the token of its successor. Without an alignment, an element
//! encloses the whole sentence.

use std::ops::Range;

use crate::alignment::Places;
use crate::document::Escape;

/// Sentences with more tags keep them one by one, not as elements, which are nested.
const MAX_TAGS: usize = 256;

/// A tag inside a sentence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tag {
    /// The byte of the sentence's text before which it stands.
    pub at: usize,
    /// The tag as written.
    pub markup: String,
    pub kind: TagKind,
}

/// The kind of a tag, with the name of its element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TagKind {
    Open(String),
    Close(String),
    /// A tag without content, a comment, or a part that stays untranslated.
    Point,
}

/// An element or a tag, in the translation.
struct Node<'a> {
    /// The bytes of the translation that it encloses; empty for a tag.
    range: Range<usize>,
    open: &'a str,
    close: &'a str,
    children: Vec<Node<'a>>,
}

/// Writes a translation with the tags of its source, which is `source_len` bytes long.
pub(crate) fn write(tags: &[Tag], source_len: usize, target: &str, places: &Places, escape: Escape) -> String {
    let mut written = String::new();
    let mut nodes = nodes(tags, source_len, target, places);
    separate(&mut nodes);
    emit(&nodes, 0..target.len(), target, escape, &mut written);
    written
}

fn nodes<'a>(tags: &'a [Tag], source_len: usize, target: &str, places: &Places) -> Vec<Node<'a>> {
    let partners = partners(tags);
    // The tags without a partner stay in order, since those of other sentences may be their partners.
    let mut last = 0;
    let mut point = |tag: &'a Tag| {
        let mut at = match tag.at {
            0 => 0,
            at if at >= source_len => target.len(),
            at => places.point(at, target.len()),
        };
        if tag.kind != TagKind::Point {
            at = at.max(last);
            last = at;
        }
        Node { range: at..at, open: &tag.markup, close: "", children: Vec::new() }
    };
    let mut open: Vec<(usize, Node)> = Vec::new();
    let mut roots = Vec::new();
    for (index, tag) in tags.iter().enumerate() {
        let node = match partners[index] {
            Some(close) if close > index => {
                let source = tag.at..tags[close].at;
                let range = match source {
                    Range { start: 0, end } if end >= source_len => 0..target.len(),
                    _ => places.range(source, target),
                };
                let (open_tag, close_tag) = (&tag.markup[..], &tags[close].markup[..]);
                open.push((close, Node { range, open: open_tag, close: close_tag, children: Vec::new() }));
                continue;
            }
            Some(_) => match open.pop() {
                Some((_, node)) => node,
                None => continue,
            },
            None => point(tag),
        };
        match open.last_mut() {
            None => roots.push(node),
            Some((_, parent)) => {
                // An element encloses its children wherever they are.
                parent.range.start = parent.range.start.min(node.range.start);
                parent.range.end = parent.range.end.max(node.range.end);
                parent.children.push(node);
            }
        }
    }
    roots
}

/// The index of each tag's partner in the same sentence; elements nest.
fn partners(tags: &[Tag]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tags.len()];
    if tags.len() > MAX_TAGS {
        return partners;
    }
    let mut open: Vec<(usize, &str)> = Vec::new();
    for (index, tag) in tags.iter().enumerate() {
        match &tag.kind {
            TagKind::Point => {}
            TagKind::Open(name) => open.push((index, name)),
            TagKind::Close(name) => {
                if let Some(found) = open.iter().rposition(|(_, opened)| opened == name) {
                    let (opened, _) = open[found];
                    (partners[opened], partners[index]) = (Some(index), Some(opened));
                    open.truncate(found);
                }
            }
        }
    }
    partners
}

/// Sorts siblings by place, and shortens those that overlap another.
fn separate(nodes: &mut [Node]) {
    nodes.sort_by_key(|node| node.range.start);
    let mut end = 0;
    for node in nodes.iter_mut() {
        clip(node, end);
        end = node.range.end.max(end);
        separate(&mut node.children);
    }
}

/// Moves the start of an element, and of all in it, to `start` at the earliest.
fn clip(node: &mut Node, start: usize) {
    node.range = node.range.start.max(start)..node.range.end.max(start);
    node.children.iter_mut().for_each(|child| clip(child, start));
}

fn emit(nodes: &[Node], range: Range<usize>, target: &str, escape: Escape, written: &mut String) {
    let mut at = range.start;
    for node in nodes {
        written.push_str(&escape.write(&target[at..node.range.start]));
        written.push_str(node.open);
        emit(&node.children, node.range.clone(), target, escape, written);
        written.push_str(node.close);
        at = node.range.end;
    }
    written.push_str(&escape.write(&target[at..range.end]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(at: usize, markup: &str, kind: TagKind) -> Tag {
        Tag { at, markup: markup.to_string(), kind }
    }

    #[test]
    fn tags_whose_partners_are_elsewhere_stay_in_order() {
        // Source `4 5 6` with the ends of `<b><i>` between its words, target `6 5 4`.
        let tags = [tag(2, "</i>", TagKind::Close("i".to_string())), tag(4, "</b>", TagKind::Close("b".to_string()))];
        let (source, target) = (vec![0..1, 2..3, 4..5], vec![0..1, 2..3, 4..5]);
        let places = Places::new(source, target, &[[2, 0], [1, 1], [0, 2]]);
        assert_eq!(write(&tags, 5, "6 5 4", &places, Escape::Html), "6 </i></b>5 4");
        let images = [tag(2, "<img>", TagKind::Point), tag(4, "<br>", TagKind::Point)];
        assert_eq!(write(&images, 5, "6 5 4", &places, Escape::Html), "<br>6 <img>5 4");
    }
}

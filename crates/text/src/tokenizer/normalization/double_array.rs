//! The writer of compiled tables of replacements, in the format that `sentencepiece::charsmap` reads.

use std::collections::{BTreeMap, HashMap, HashSet};

/// A node of the trie: the value of the key that ends here, and the children by byte. Equal nodes are stored once.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    value: Option<u32>,
    children: Vec<(u8, usize)>,
}

/// Unit that no byte matches.
const UNUSED: u32 = 0x8000_00FF;
/// Bit of a value's unit.
const VALUE: u32 = 0x8000_0000;
/// Bit of a unit whose node has a value.
const HAS_VALUE: u32 = 0x100;

/// Compiles replacements by key into a table.
pub(super) fn compile(replacements: &BTreeMap<String, String>) -> Vec<u8> {
    let mut text = Vec::new();
    let mut place_of: HashMap<&str, u32> = HashMap::new();
    let mut keys = Vec::with_capacity(replacements.len());
    for (key, replacement) in replacements {
        let place = *place_of.entry(replacement).or_insert_with(|| {
            let place = text.len() as u32;
            text.extend_from_slice(replacement.as_bytes());
            text.push(0);
            place
        });
        keys.push((key.as_bytes(), place));
    }
    let mut trie = Trie::default();
    let root = trie.insert(&keys, 0);
    let units = DoubleArray::new(&trie.nodes).place(root);
    let mut table = ((units.len() * 4) as u32).to_le_bytes().to_vec();
    table.extend(units.into_iter().flat_map(u32::to_le_bytes));
    table.extend(text);
    table
}

#[derive(Default)]
struct Trie {
    nodes: Vec<Node>,
    known: HashMap<Node, usize>,
}

impl Trie {
    /// Inserts sorted keys that agree in their first `depth` bytes, and returns their node.
    fn insert(&mut self, keys: &[(&[u8], u32)], depth: usize) -> usize {
        let (value, mut rest) = match keys {
            [(key, value), rest @ ..] if key.len() == depth => (Some(*value), rest),
            keys => (None, keys),
        };
        let mut children = Vec::new();
        while let Some((key, _)) = rest.first() {
            let byte = key[depth];
            let (same, others) = rest.split_at(rest.partition_point(|(key, _)| key[depth] == byte));
            children.push((byte, self.insert(same, depth + 1)));
            rest = others;
        }
        let node = Node { value, children };
        *self.known.entry(node).or_insert_with_key(|node| {
            self.nodes.push(node.clone());
            self.nodes.len() - 1
        })
    }
}

struct DoubleArray<'a> {
    nodes: &'a [Node],
    /// `None` is a free unit.
    units: Vec<Option<u32>>,
    /// Where the children of each node begin, once placed.
    bases: Vec<Option<usize>>,
    used_bases: HashSet<usize>,
    first_free: usize,
}

impl<'a> DoubleArray<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        // The root is unit 0. Children that began there would take it for the one of byte 0.
        let used_bases = HashSet::from([0]);
        Self { nodes, units: vec![Some(0)], bases: vec![None; nodes.len()], used_bases, first_free: 1 }
    }

    /// Places all nodes below `root` and returns the units.
    fn place(mut self, root: usize) -> Vec<u32> {
        let base = self.place_children(root);
        self.units[0] = Some(offset(0, base));
        let blocks = self.units.len().next_multiple_of(256);
        self.units.resize(blocks, None);
        self.units.into_iter().map(|unit| unit.unwrap_or(UNUSED)).collect()
    }

    /// Places the children of a node and all below, and returns where they begin.
    fn place_children(&mut self, node: usize) -> usize {
        if let Some(base) = self.bases[node] {
            return base;
        }
        let Node { value, children } = &self.nodes[node];
        let base = self.free_base(value.is_some(), children);
        self.bases[node] = Some(base);
        self.used_bases.insert(base);
        // Reserve all before descending.
        if let Some(value) = value {
            self.set(base, VALUE | value);
        }
        for (byte, _) in children {
            self.set(base ^ usize::from(*byte), UNUSED);
        }
        for (byte, child) in children {
            let at = base ^ usize::from(*byte);
            let below = self.place_children(*child);
            let has_value = if self.nodes[*child].value.is_some() { HAS_VALUE } else { 0 };
            self.set(at, u32::from(*byte) | has_value | offset(at, below));
        }
        base
    }

    /// The first base with free units for a value and for all children.
    fn free_base(&mut self, has_value: bool, children: &[(u8, usize)]) -> usize {
        while self.units.get(self.first_free).is_some_and(Option::is_some) {
            self.first_free += 1;
        }
        let first = if has_value { 0 } else { children.first().map_or(0, |(byte, _)| usize::from(*byte)) };
        let free = |at: usize| self.units.get(at).is_none_or(Option::is_none);
        (self.first_free..)
            .map(|at| at ^ first)
            .find(|base| {
                free(base ^ first)
                    && !self.used_bases.contains(base)
                    && children.iter().all(|(byte, _)| free(base ^ usize::from(*byte)))
            })
            .unwrap_or_default()
    }

    fn set(&mut self, at: usize, unit: u32) {
        if at >= self.units.len() {
            self.units.resize(at + 1, None);
        }
        self.units[at] = Some(unit);
    }
}

/// The bits of the distance from a unit to its children.
fn offset(at: usize, base: usize) -> u32 {
    ((at ^ base) as u32) << 10
}

//! The shuffle buffer: a whole epoch in memory, or one block of a streamed epoch after the other.

use std::iter::Peekable;
use std::sync::Arc;

use runs::record::PairCounts;
use text::{Pair, ParallelReader};

use super::{Example, Position, Streamed, TrainingData, UnorderedHash};
use crate::error::TrainError;

/// A part of an epoch whose examples are shuffled together.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The block's index in the epoch.
    pub index: usize,
    /// The examples, in the order of the corpus.
    pub examples: Arc<Vec<Example>>,
    /// Counts of this block's pairs.
    pub counts: PairCounts,
    /// The hash of its pairs; empty unless the corpus is streamed.
    pub hash: UnorderedHash,
    /// Whether it ends the epoch.
    pub last: bool,
}

/// An endless sequence of blocks, starting at a position.
pub struct Blocks {
    data: Arc<TrainingData>,
    epoch: u64,
    index: usize,
    /// The rest of a streamed epoch.
    reader: Option<Peekable<ParallelReader>>,
    /// The hash of the epoch's pairs so far, skipped ones included.
    hash: UnorderedHash,
    /// Resume position, until verified against the corpus.
    resumed_at: Option<Position>,
    /// Counts of the epoch's pairs read here.
    counts: PairCounts,
    /// Whether the epoch has had an example so far.
    has_examples: bool,
}

impl Blocks {
    /// Starts with the block of `position`.
    pub fn new(data: Arc<TrainingData>, position: Position) -> Self {
        Self {
            data,
            epoch: position.epoch,
            index: position.block,
            reader: None,
            hash: UnorderedHash::default(),
            resumed_at: Some(position),
            counts: PairCounts::default(),
            has_examples: position.block > 0,
        }
    }

    /// The next block.
    ///
    /// # Errors
    /// Files that cannot be read or have changed, or an epoch without a single usable pair.
    pub fn next_block(&mut self) -> Result<Block, TrainError> {
        let data = self.data.clone();
        let block = match &*data {
            TrainingData::Generated(generator) => self.whole(Arc::new(generator.epoch(self.epoch))),
            TrainingData::InMemory(corpus) => self.whole(corpus.epoch(self.epoch)),
            TrainingData::Streamed(corpus) => self.streamed(corpus)?,
        };
        let last = block.last;
        self.has_examples |= !block.examples.is_empty();
        self.counts += block.counts;
        if last && !self.has_examples {
            return Err(match &*data {
                TrainingData::Streamed(corpus) => corpus.encoder.nothing_left(&self.counts),
                TrainingData::Generated(_) | TrainingData::InMemory(_) => {
                    TrainError::Data("no training pair is left".to_string())
                }
            });
        }
        (self.epoch, self.index) = if last { (self.epoch + 1, 0) } else { (self.epoch, self.index + 1) };
        if last {
            (self.counts, self.has_examples) = (PairCounts::default(), false);
        }
        Ok(block)
    }

    /// A whole epoch as a single block.
    fn whole(&self, examples: Arc<Vec<Example>>) -> Block {
        let counts = PairCounts { pairs: examples.len(), ..PairCounts::default() };
        let hash = UnorderedHash::default();
        Block { epoch: self.epoch, index: self.index, examples, counts, hash, last: true }
    }

    fn streamed(&mut self, corpus: &Streamed) -> Result<Block, TrainError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let (reader, skipped) = corpus.open(self.epoch, self.index)?;
                self.hash = skipped;
                self.reader.insert(reader.peekable())
            }
        };
        let pairs: Vec<Pair> = reader.by_ref().take(corpus.shuffle_buffer).collect::<Result<_, _>>()?;
        let last = reader.peek().is_none();
        let (before, hash) = (self.hash, UnorderedHash::from_pairs(&pairs));
        self.hash += hash;
        if let Some(position) = self.resumed_at.take() {
            corpus.check_learned(position, if position.batch > 0 { self.hash } else { before })?;
        }
        if last {
            self.reader = None;
            corpus.check_epoch(self.hash)?;
        }
        let (examples, counts) = corpus.encode(&pairs, self.epoch, self.index)?;
        Ok(Block { epoch: self.epoch, index: self.index, examples: Arc::new(examples), counts, hash, last })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use text::ParallelPath;

    use super::super::pair_encoder::tests::encoder;
    use super::*;

    /// Three shards of ten pairs each, of which every tenth has an empty side.
    fn streamed(folder: &temp_dir::TempDir, shuffle_buffer: usize) -> Arc<TrainingData> {
        let shard = |shard: usize| {
            let line = |i: usize| match i % 10 {
                7 => "\tnewer\n".to_string(),
                _ => format!("lower {i}\tnewer {i}\n"),
            };
            let path = folder.path().join(format!("{shard}.tsv"));
            std::fs::write(&path, (shard * 10..shard * 10 + 10).map(line).collect::<String>()).unwrap();
            path
        };
        let path = ParallelPath::Tsv((0..3).map(shard).collect());
        let hash = hash(&path);
        Arc::new(TrainingData::Streamed(Streamed { path, hash, encoder: encoder(0.1), shuffle_buffer }))
    }

    fn hash(path: &ParallelPath) -> UnorderedHash {
        let pairs: Vec<Pair> = ParallelReader::open(path).unwrap().map(Result::unwrap).collect();
        UnorderedHash::from_pairs(&pairs)
    }

    fn epoch(blocks: &mut Blocks) -> Vec<Block> {
        let mut epoch = vec![blocks.next_block().unwrap()];
        while !epoch.last().unwrap().last {
            epoch.push(blocks.next_block().unwrap());
        }
        epoch
    }

    #[test]
    fn an_epoch_has_every_usable_pair_once() {
        let folder = temp_dir::TempDir::new().unwrap();
        for (buffer, blocks) in [(7, 5), (10, 3), (15, 2), (30, 1), (100, 1)] {
            let mut stream = Blocks::new(streamed(&folder, buffer), Position::default());
            for number in 0..2 {
                let epoch = epoch(&mut stream);
                assert_eq!(epoch.len(), blocks, "blocks of {buffer}");
                assert!(epoch.iter().enumerate().all(|(i, block)| (block.epoch, block.index) == (number, i)));
                let mut counts = PairCounts::default();
                epoch.iter().for_each(|block| counts += block.counts);
                assert_eq!(counts, PairCounts { pairs: 30, empty: 3, ..PairCounts::default() });
                let decoded = |example: &Example| encoder(0.0).source_tokenizer.decode(&example.source).unwrap();
                let seen: Vec<String> = epoch.iter().flat_map(|block| block.examples.iter().map(decoded)).collect();
                assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (27, 27));
            }
        }
    }

    #[test]
    fn epochs_read_the_shards_in_different_orders() {
        let folder = temp_dir::TempDir::new().unwrap();
        let mut stream = Blocks::new(streamed(&folder, 10), Position::default());
        let firsts: HashSet<Vec<u32>> =
            (0..8).map(|_| epoch(&mut stream)[0].examples[0].source.last_chunk::<2>().unwrap().to_vec()).collect();
        assert!(firsts.len() > 1);
    }

    #[test]
    fn blocks_resume_at_a_position() {
        let folder = temp_dir::TempDir::new().unwrap();
        let data = streamed(&folder, 7);
        let mut stream = Blocks::new(data.clone(), Position::default());
        let whole: Vec<Block> = (0..12).map(|_| stream.next_block().unwrap()).collect();
        for (from, batch) in [(1, 0), (4, 1), (5, 0), (5, 1), (8, 2)] {
            let Block { epoch, index, .. } = whole[from];
            let mut learned = UnorderedHash::default();
            whole[from - index..from + batch.min(1)].iter().for_each(|block| learned += block.hash);
            let position = Position { epoch, block: index, batch, learned, ..Position::default() };
            let mut stream = Blocks::new(data.clone(), position);
            assert!(whole[from..].iter().all(|block| *block == stream.next_block().unwrap()), "from block {from}");
            // A checkpoint that was trained on other text.
            let pair = Pair { source: "other".to_string(), target: "text".to_string() };
            let other = Position { learned: UnorderedHash::from_pairs(&[pair]), ..position };
            let error = Blocks::new(data.clone(), other).next_block().unwrap_err().to_string();
            assert!(error.contains("the checkpoint was trained on other text"), "{error}");
        }
    }

    #[test]
    fn a_corpus_without_a_usable_pair_is_rejected() {
        let folder = temp_dir::TempDir::new().unwrap();
        let path = folder.path().join("empty.tsv");
        std::fs::write(&path, "\t\n".repeat(20)).unwrap();
        let path = ParallelPath::Tsv(path.into());
        let hash = hash(&path);
        let data = TrainingData::Streamed(Streamed { path, hash, encoder: encoder(0.0), shuffle_buffer: 8 });
        let mut stream = Blocks::new(Arc::new(data), Position::default());
        let error = (0..3).find_map(|_| stream.next_block().err()).unwrap().to_string();
        assert!(error.contains("no training pair is left") && error.contains("check that both columns"), "{error}");
    }
}

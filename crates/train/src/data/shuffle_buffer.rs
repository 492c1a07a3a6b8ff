//! What is held in memory at once: a whole epoch, or as many pairs of it as the shuffle buffer takes.

use std::iter::Peekable;
use std::sync::Arc;

use model::random::{self, Rng};
use rayon::prelude::*;
use text::{Pair, ParallelPath, ParallelReader, TextError};

use super::encoder::{Counts, PairEncoder};
use super::{Example, Position};
use crate::error::TrainError;
use crate::task::{Contents, Generator};

/// Where training examples come from.
#[derive(Debug)]
pub enum TrainingData {
    /// Made anew for each epoch.
    Generated(Generator),
    /// A corpus that the shuffle buffer holds as a whole.
    InMemory(InMemory),
    /// A corpus that is read anew each epoch.
    Streamed(Streamed),
}

/// Pairs that were read once.
#[derive(Debug)]
pub struct InMemory {
    pub examples: Arc<Vec<Example>>,
    /// The text of each example, to be cut anew each epoch.
    pub recut: Option<(Vec<Pair>, PairEncoder)>,
}

/// Files that are read again and again.
#[derive(Debug)]
pub struct Streamed {
    pub path: ParallelPath,
    /// What the files held when the run began.
    pub contents: Contents,
    pub encoder: PairEncoder,
    /// Pairs in a block.
    pub shuffle_buffer: usize,
}

/// Part of an epoch, whose examples are shuffled among each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub epoch: u64,
    /// Its place in the epoch.
    pub index: usize,
    pub examples: Arc<Vec<Example>>,
    /// Of this block alone.
    pub counts: Counts,
    /// Its pairs in short, where the corpus is streamed.
    pub contents: Contents,
    /// Whether it ends the epoch.
    pub last: bool,
}

/// An endless sequence of blocks, from a position on.
pub struct Blocks {
    data: Arc<TrainingData>,
    epoch: u64,
    index: usize,
    /// The rest of the epoch, where it is streamed.
    reader: Option<Peekable<ParallelReader>>,
    /// What that has brought so far, what it passed over included.
    contents: Contents,
    /// Where it is gone on from, until that has been compared with what the corpus holds.
    from: Option<Position>,
    /// What this has read of the epoch.
    read: Counts,
    /// Whether the epoch has brought an example so far.
    fruitful: bool,
}

impl Blocks {
    /// From the block in which `position` lies.
    pub fn new(data: Arc<TrainingData>, position: Position) -> Self {
        let fruitful = position.block > 0;
        let (epoch, index) = (position.epoch, position.block);
        let (contents, read, from) = (Contents::default(), Counts::default(), Some(position));
        Self { data, epoch, index, reader: None, contents, from, read, fruitful }
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
        self.fruitful |= !block.examples.is_empty();
        self.read += block.counts;
        if last && !self.fruitful {
            return Err(match &*data {
                TrainingData::Streamed(corpus) => corpus.encoder.nothing_left(&self.read),
                _ => TrainError::Data("no training pair is left".to_string()),
            });
        }
        (self.epoch, self.index) = if last { (self.epoch + 1, 0) } else { (self.epoch, self.index + 1) };
        if last {
            (self.read, self.fruitful) = (Counts::default(), false);
        }
        Ok(block)
    }

    /// An epoch as a single block.
    fn whole(&self, examples: Arc<Vec<Example>>) -> Block {
        let counts = Counts { pairs: examples.len(), ..Counts::default() };
        Block { epoch: self.epoch, index: self.index, examples, counts, contents: Contents::default(), last: true }
    }

    fn streamed(&mut self, corpus: &Streamed) -> Result<Block, TrainError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let (reader, passed) = corpus.open(self.epoch, self.index)?;
                self.contents = passed;
                self.reader.insert(reader.peekable())
            }
        };
        let pairs: Vec<Pair> = reader.by_ref().take(corpus.shuffle_buffer).collect::<Result<_, _>>()?;
        let last = reader.peek().is_none();
        let (before, contents) = (self.contents, Contents::of(&pairs));
        self.contents += contents;
        if let Some(from) = self.from.take() {
            corpus.check_learned(from, if from.batch > 0 { self.contents } else { before })?;
        }
        if last {
            self.reader = None;
            corpus.check(self.contents)?;
        }
        let (examples, counts) = corpus.encode(&pairs, self.epoch, self.index)?;
        Ok(Block { epoch: self.epoch, index: self.index, examples: Arc::new(examples), counts, contents, last })
    }
}

impl InMemory {
    fn epoch(&self, epoch: u64) -> Arc<Vec<Example>> {
        let Some((pairs, encoder)) = &self.recut else { return self.examples.clone() };
        let pairs = pairs.par_iter().zip(self.examples.par_iter()).enumerate();
        Arc::new(pairs.map(|(at, (pair, usual))| encoder.cut_anew(pair, usual.clone(), epoch, at)).collect())
    }
}

/// Keeps the keys of the shards' order apart from others under the same seed.
const SHARDS: u64 = 0x5AD5;

impl Streamed {
    /// The rest of an epoch from a block on, and what it passed over. Each epoch reads the shards in an order of its own.
    fn open(&self, epoch: u64, block: usize) -> Result<(ParallelReader, Contents), TextError> {
        let mut order: Vec<usize> = (0..self.path.shards()?).collect();
        Rng::new(random::key(&[self.encoder.seed, SHARDS, epoch])).shuffle(&mut order);
        let mut reader = ParallelReader::open(&self.path.reordered(&order))?;
        let mut passed = Contents::default();
        for pair in reader.by_ref().take(block.saturating_mul(self.shuffle_buffer)) {
            passed.add(&pair?);
        }
        Ok((reader, passed))
    }

    /// Refuses an epoch of other pairs than the run began with.
    fn check(&self, epoch: Contents) -> Result<(), TrainError> {
        if epoch == self.contents {
            return Ok(());
        }
        let (path, expected) = (self.path.to_string(), self.contents.pairs);
        Err(TrainError::CorpusChanged { path, found: epoch.pairs, expected })
    }

    /// Refuses to go on with weights that have learned from other pairs than stand before the same place now.
    fn check_learned(&self, from: Position, now: Contents) -> Result<(), TrainError> {
        if from.learned == now { Ok(()) } else { Err(TrainError::LearnedElsewhere { path: self.path.to_string() }) }
    }

    /// The usable pairs of a block as ids, on all cores.
    fn encode(&self, pairs: &[Pair], epoch: u64, block: usize) -> Result<(Vec<Example>, Counts), TextError> {
        let first = block.saturating_mul(self.shuffle_buffer);
        let encoded: Vec<Result<_, TextError>> = pairs
            .par_iter()
            .enumerate()
            .map(|(at, pair)| {
                let usual = self.encoder.encode(pair)?;
                Ok(usual.map(|usual| self.encoder.cut_anew(pair, usual, epoch, first + at)))
            })
            .collect();
        let (mut examples, mut counts) = (Vec::with_capacity(pairs.len()), Counts::default());
        for example in encoded {
            let example = example?;
            counts.add(example.as_ref().err().copied());
            examples.extend(example);
        }
        Ok((examples, counts))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::encoder::tests::encoder;
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
        let contents = contents(&path);
        Arc::new(TrainingData::Streamed(Streamed { path, contents, encoder: encoder(0.1), shuffle_buffer }))
    }

    fn contents(path: &ParallelPath) -> Contents {
        let pairs: Vec<Pair> = ParallelReader::open(path).unwrap().map(Result::unwrap).collect();
        Contents::of(&pairs)
    }

    fn epoch(blocks: &mut Blocks) -> Vec<Block> {
        let mut epoch = vec![blocks.next_block().unwrap()];
        while !epoch.last().unwrap().last {
            epoch.push(blocks.next_block().unwrap());
        }
        epoch
    }

    #[test]
    fn an_epoch_brings_every_usable_pair_once_and_counts_the_others() {
        let folder = temp_dir::TempDir::new().unwrap();
        for (buffer, blocks) in [(7, 5), (10, 3), (15, 2), (30, 1), (100, 1)] {
            let mut stream = Blocks::new(streamed(&folder, buffer), Position::default());
            for number in 0..2 {
                let epoch = epoch(&mut stream);
                assert_eq!(epoch.len(), blocks, "blocks of {buffer}");
                assert!(epoch.iter().enumerate().all(|(i, block)| (block.epoch, block.index) == (number, i)));
                let mut counts = Counts::default();
                epoch.iter().for_each(|block| counts += block.counts);
                assert_eq!(counts, Counts { pairs: 30, empty: 3, ..Counts::default() });
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
    fn blocks_go_on_from_a_position() {
        let folder = temp_dir::TempDir::new().unwrap();
        let data = streamed(&folder, 7);
        let mut stream = Blocks::new(data.clone(), Position::default());
        let whole: Vec<Block> = (0..12).map(|_| stream.next_block().unwrap()).collect();
        for (from, batch) in [(1, 0), (4, 1), (5, 0), (5, 1), (8, 2)] {
            let Block { epoch, index, .. } = whole[from];
            let mut learned = Contents::default();
            whole[from - index..from + batch.min(1)].iter().for_each(|block| learned += block.contents);
            let position = Position { epoch, block: index, batch, learned, ..Position::default() };
            let mut stream = Blocks::new(data.clone(), position);
            assert!(whole[from..].iter().all(|block| *block == stream.next_block().unwrap()), "from block {from}");
            // Such weights have learned from something else.
            let pair = Pair { source: "other".to_string(), target: "text".to_string() };
            let other = Position { learned: Contents::of(&[pair]), ..position };
            let error = Blocks::new(data.clone(), other).next_block().unwrap_err().to_string();
            assert!(error.contains("the checkpoint has learned from other text"), "{error}");
        }
    }

    #[test]
    fn a_corpus_without_a_usable_pair_is_refused_instead_of_read_for_ever() {
        let folder = temp_dir::TempDir::new().unwrap();
        let path = folder.path().join("empty.tsv");
        std::fs::write(&path, "\t\n".repeat(20)).unwrap();
        let path = ParallelPath::Tsv(path.into());
        let contents = contents(&path);
        let data = TrainingData::Streamed(Streamed { path, contents, encoder: encoder(0.0), shuffle_buffer: 8 });
        let mut stream = Blocks::new(Arc::new(data), Position::default());
        let error = (0..3).find_map(|_| stream.next_block().err()).unwrap().to_string();
        assert!(error.contains("no training pair is left") && error.contains("check that both columns"), "{error}");
    }
}

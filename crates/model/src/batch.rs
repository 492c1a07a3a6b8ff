//! Batches: ids of sentences as padded tensors.
//!
//! ```
//! use burn::tensor::Device;
//! use model::{Batch, VocabularySizes};
//!
//! let sizes = VocabularySizes::joint(10); // `<pad>` is 9, `</s>` is 0
//! let batch = Batch::new(&[(&[4, 5, 0], &[6, 0]), (&[4, 0], &[7, 8, 0])], sizes, &Device::flex());
//! let ids = |tensor: burn::tensor::Tensor<2, burn::tensor::Int>| tensor.into_data().iter().collect::<Vec<i32>>();
//! assert_eq!(ids(batch.source.ids), [4, 5, 0, 4, 0, 9]);
//! assert_eq!(ids(batch.target_input), [9, 6, 9, 9, 7, 8]); // shifted by one: `<pad>` first, no `</s>`
//! assert_eq!(ids(batch.target_output), [6, 0, 9, 7, 8, 0]);
//! assert_eq!(batch.target_tokens, 5);
//! ```

use burn::tensor::{Device, Int, Tensor, TensorData};

use kernels::mask::KeyLengths;
use kernels::upload::{transfers, upload_together};

use crate::config::VocabularySizes;
use crate::mask::Mask;

/// Source sentences of a batch.
#[derive(Clone, Debug)]
pub struct SourceBatch {
    /// `[batch, source_len]`, padded with `<pad>`.
    pub ids: Tensor<2, Int>,
    /// Hides the padding; `None` without padding.
    pub mask: Option<Mask>,
}

impl SourceBatch {
    /// Pads sentences that already end in `</s>`; at least one, none empty.
    pub fn new(sentences: &[&[u32]], sizes: VocabularySizes, device: &Device) -> Self {
        let mut upload = Upload::default();
        let source = Source::add(sentences, sizes, &mut upload, device);
        source.take(&mut upload.uploaded(device))
    }
}

/// A batch for training: sentence pairs as tensors.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The source side.
    pub source: SourceBatch,
    /// The decoder's input, `[batch, target_len]`: its start, then all but the last target token.
    pub target_input: Tensor<2, Int>,
    /// The expected output, `[batch, target_len]`: the target with its `</s>`, then `<pad>`, which the loss ignores.
    pub target_output: Tensor<2, Int>,
    /// The number of real target tokens, `</s>` included.
    pub target_tokens: usize,
}

impl Batch {
    /// Pads pairs whose sides already end in `</s>`. The decoder starts from `<pad>`.
    ///
    /// # Panics
    /// If there are no pairs, or a side is empty.
    pub fn new(pairs: &[(&[u32], &[u32])], sizes: VocabularySizes, device: &Device) -> Self {
        Self::starting_with(sizes.target_pad() as u32, pairs, sizes, device)
    }

    /// As [`new`](Self::new), with another token than `<pad>` as the decoder's start.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn starting_with(start: u32, pairs: &[(&[u32], &[u32])], sizes: VocabularySizes, device: &Device) -> Self {
        assert!(!pairs.is_empty(), "a batch has at least one pair");
        let full = |(source, target): &(&[u32], &[u32])| !source.is_empty() && !target.is_empty();
        assert!(pairs.iter().all(full), "no side of a pair is empty");
        let sources: Vec<&[u32]> = pairs.iter().map(|(source, _)| *source).collect();
        let mut upload = Upload::default();
        let source = Source::add(&sources, sizes, &mut upload, device);
        let target_len = pairs.iter().map(|(_, target)| target.len()).max().unwrap_or(0);
        let pad = sizes.target_pad();
        let inputs =
            pairs.iter().map(|(_, target)| std::iter::once(start).chain(target[..target.len() - 1].iter().copied()));
        let outputs = pairs.iter().map(|(_, target)| target.iter().copied());
        upload.add(padded_ids(inputs, target_len, pad));
        upload.add(padded_ids(outputs, target_len, pad));
        let mut uploaded = upload.uploaded(device);
        let matrix = |uploaded: &mut Uploaded| uploaded.next().reshape([pairs.len(), target_len]);
        Self {
            source: source.take(&mut uploaded),
            target_input: matrix(&mut uploaded),
            target_output: matrix(&mut uploaded),
            target_tokens: pairs.iter().map(|(_, target)| target.len()).sum(),
        }
    }

    /// The batch `times` times, one copy after the other. `target_tokens` counts the first copy only.
    pub fn repeat_batch(&self, times: usize) -> Self {
        let repeated = |ids: &Tensor<2, Int>| Tensor::cat(vec![ids.clone(); times], 0);
        Self {
            source: SourceBatch {
                ids: repeated(&self.source.ids),
                mask: self.source.mask.as_ref().map(|mask| mask.repeat_batch(times)),
            },
            target_input: repeated(&self.target_input),
            target_output: repeated(&self.target_output),
            target_tokens: self.target_tokens,
        }
    }

    /// [`target_output`](Self::target_output) as one row of `batch * target_len` ids.
    pub fn targets(&self) -> Tensor<1, Int> {
        let [rows, len] = self.target_output.dims();
        self.target_output.clone().reshape([rows * len])
    }
}

/// Arrays that are transferred to the device together.
#[derive(Default)]
struct Upload(Vec<Vec<i32>>);

impl Upload {
    fn add(&mut self, array: Vec<i32>) {
        self.0.push(array);
    }

    fn uploaded(self, device: &Device) -> Uploaded {
        Uploaded(upload_together(self.0, device).into_iter())
    }
}

/// The arrays on the device, in the order in which they were added.
struct Uploaded(std::vec::IntoIter<Tensor<1, Int>>);

impl Uploaded {
    fn next(&mut self) -> Tensor<1, Int> {
        self.0.next().expect("as many arrays as were added")
    }
}

/// The source side, in an [`Upload`].
struct Source {
    shape: [usize; 2],
    /// Lengths of the sentences, if there is padding.
    lengths: Option<Vec<usize>>,
    /// Whether the lengths are transferred too, for kernels that read them.
    transferred: bool,
}

impl Source {
    fn add(sentences: &[&[u32]], sizes: VocabularySizes, upload: &mut Upload, device: &Device) -> Self {
        let lengths: Vec<usize> = sentences.iter().map(|ids| ids.len()).collect();
        let len = lengths.iter().copied().max().unwrap_or(0);
        let rows = sentences.iter().map(|ids| ids.iter().copied());
        upload.add(padded_ids(rows, len, sizes.source_pad()));
        let lengths = lengths.iter().any(|&own| own < len).then_some(lengths);
        let transferred = lengths.is_some() && transfers(device);
        if let (Some(lengths), true) = (&lengths, transferred) {
            upload.add(lengths.iter().map(|&len| len as i32).collect());
        }
        Self { shape: [sentences.len(), len], lengths, transferred }
    }

    fn take(self, uploaded: &mut Uploaded) -> SourceBatch {
        let ids = uploaded.next().reshape(self.shape);
        let mask = self.lengths.map(|lengths| match self.transferred {
            true => KeyLengths::uploaded(&lengths, uploaded.next()),
            false => KeyLengths::new(&lengths),
        });
        SourceBatch { ids, mask: mask.map(Mask::Padding) }
    }
}

/// Rows of ids, each filled up to `len` with `pad`, in row-major order.
fn padded_ids<Row: Iterator<Item = u32>>(rows: impl Iterator<Item = Row>, len: usize, pad: usize) -> Vec<i32> {
    rows.flat_map(|row| row.map(|id| id as i32).chain(std::iter::repeat(pad as i32)).take(len)).collect()
}

/// Rows of ids, each filled up to `len` with `pad`: `[rows, len]` on the device, outside any gradient.
pub fn padded<Row: Iterator<Item = u32>>(
    rows: impl ExactSizeIterator<Item = Row>,
    len: usize,
    pad: usize,
    device: &Device,
) -> Tensor<2, Int> {
    let count = rows.len();
    let ids = padded_ids(rows, len, pad);
    Tensor::from_data(TensorData::new(ids, [count, len]), &device.clone().without_autodiff())
}

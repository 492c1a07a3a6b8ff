//! The parts of the model that each process owns.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use cluster::share;
use model::parameters::{ParameterPath, ParameterVisitor, for_each_parameter};
use model::weights::NamedTensor;

/// A parameter that is not frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its number of values.
    pub len: usize,
    /// Whether it has several dimensions.
    pub is_matrix: bool,
}

/// A contiguous part of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The number of the parameter.
    pub parameter: usize,
    /// The values.
    pub range: Range<usize>,
}

/// All parameters in the order of the model's fields, dealt out to processes in contiguous slices of about equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slices {
    /// The parameters.
    pub parameters: Vec<Parameter>,
    of_rank: Vec<Vec<Piece>>,
}

impl Slices {
    /// The slices of a model. With `block`, a slice begins and ends between two blocks of so many values of a parameter, or
    /// between two parameters.
    ///
    /// # Panics
    /// Without a process.
    pub fn new<M: Module>(model: &M, processes: usize, block: Option<usize>) -> Self {
        let mut visitor = Collect(Vec::new());
        for_each_parameter(model, &mut visitor);
        Self::of(visitor.0, processes, block.unwrap_or(1))
    }

    pub(super) fn of(parameters: Vec<Parameter>, processes: usize, block: usize) -> Self {
        let total: usize = parameters.iter().map(|parameter| parameter.len).sum();
        let border = |rank: usize| match rank == processes {
            true => total,
            false => nearest_border(&parameters, share(total, processes, rank).start, block),
        };
        let of_rank = (0..processes).map(|rank| pieces(&parameters, border(rank)..border(rank + 1))).collect();
        Self { parameters, of_rank }
    }

    /// The slice of a rank.
    pub fn pieces(&self, rank: usize) -> &[Piece] {
        &self.of_rank[rank]
    }

    /// Returns the parts that a rank owns of tensors named `KIND.PARAMETER`, such as moments.
    pub fn cut(&self, tensors: &[NamedTensor], rank: usize) -> Vec<NamedTensor> {
        let piece = |tensor: &NamedTensor| {
            let (_, name) = tensor.name.split_once('.')?;
            let Piece { range, .. } =
                self.pieces(rank).iter().find(|piece| self.parameters[piece.parameter].name == name)?;
            let values = tensor.values[range.clone()].to_vec();
            Some(NamedTensor { name: tensor.name.clone(), shape: vec![values.len()], values })
        };
        tensors.iter().filter_map(piece).collect()
    }
}

/// Returns the border of blocks that is nearest to the value `at` of all parameters' values.
fn nearest_border(parameters: &[Parameter], at: usize, block: usize) -> usize {
    let mut start = 0;
    for Parameter { len, .. } in parameters {
        if at < start + len {
            let below = (at - start) / block * block;
            let above = (below + block).min(*len);
            let nearest = if at - start - below <= start + above - at { below } else { above };
            return start + nearest;
        }
        start += len;
    }
    start
}

/// Returns the parts of all parameters that a range of their values covers.
fn pieces(parameters: &[Parameter], range: Range<usize>) -> Vec<Piece> {
    let mut start = 0;
    let piece = |(parameter, Parameter { len, .. }): (usize, &Parameter)| {
        let offset = start;
        start += len;
        let within = |at: usize| at.clamp(offset, offset + len) - offset;
        Piece { parameter, range: within(range.start)..within(range.end) }
    };
    parameters.iter().enumerate().map(piece).filter(|piece| !piece.range.is_empty()).collect()
}

struct Collect(Vec<Parameter>);

impl ParameterVisitor for Collect {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.push(Parameter { name: path.name(), len: param.lazy_shape().num_elements(), is_matrix: D > 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(lens: &[usize]) -> Vec<Parameter> {
        lens.iter().map(|len| Parameter { name: len.to_string(), len: *len, is_matrix: true }).collect()
    }

    #[test]
    fn slices_cover_everything_in_order_at_block_borders() {
        let lens = [70, 3, 16, 1, 200, 9];
        for (processes, block) in (1..12).flat_map(|processes| [1, 16, 50].map(|block| (processes, block))) {
            let slices = Slices::of(parameters(&lens), processes, block);
            let mut ends = [0; 6];
            for piece in (0..processes).flat_map(|rank| slices.pieces(rank)) {
                let Piece { parameter, range } = piece;
                assert_eq!(range.start, ends[*parameter], "{processes} processes: {piece:?}");
                assert!(range.start % block == 0, "{piece:?}");
                assert!(range.end % block == 0 || range.end == lens[*parameter], "{piece:?}");
                ends[*parameter] = range.end;
            }
            assert_eq!(ends, lens, "{processes} processes");
        }
    }

    #[test]
    fn slices_have_about_equal_lengths() {
        let parameters = parameters(&[1_000_000, 512, 512, 262_144, 512, 1_048_576]);
        let total: usize = parameters.iter().map(|parameter| parameter.len).sum();
        for processes in 1..=8 {
            let slices = Slices::of(parameters.clone(), processes, 16_384);
            for rank in 0..processes {
                let len: usize = slices.pieces(rank).iter().map(|piece| piece.range.len()).sum();
                assert!(len.abs_diff(total / processes) <= 16_384, "rank {rank} of {processes}: {len} of {total}");
            }
        }
    }
}

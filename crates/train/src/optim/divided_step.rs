//! The optimizer's step of several processes, each of which has the moments of its slice alone (ZeRO stage 1, Rajbhandari et
//! al. 2020): it updates that slice of the weights and sends it to all others.

use std::vec;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use cluster::Cluster;
use kernels::adam::{block_squares, norm_block, sum_of_blocks};
use model::Transformer;
use model::parameters::{ParameterMapper, ParameterPath, ParameterVisitor, for_each_parameter, map_parameters};

use super::gradient_exchange::{self, SummedSlice, exchange_all};
use super::host_gradients::to_host;
use super::slices::{Piece, Slices};
use super::{Adam, StepOptions, gradients};

/// The work of the optimizer, divided among processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    /// The slices of the parameters.
    pub slices: Slices,
    /// Values per block of a norm, if each process has the moments of its slice alone. Otherwise each has all of them and
    /// does the whole step: on devices whose norm of a tensor is not a sum over blocks, and with LoRA, whose few factors
    /// have gradients that depend on whole matrices.
    block: Option<usize>,
}

impl Division {
    /// Divides the parameters of a model that are not frozen.
    pub fn new(model: &Transformer, has_lora: bool, processes: usize) -> Self {
        let block = if has_lora { None } else { block_of(model) };
        Self { slices: Slices::new(model, processes, block), block }
    }

    /// Whether each process has the moments of its slice alone.
    pub fn divides_moments(&self) -> bool {
        self.block.is_some()
    }

    /// Updates the weights by the gradients of an update, in all processes at the same time. Returns the model and the
    /// global norm of the gradient.
    pub fn step(
        &self,
        model: Transformer,
        optimizer: &mut Adam,
        sum: SummedSlice,
        options: StepOptions,
        cluster: &Cluster,
        device: &Device,
    ) -> (Transformer, Tensor<1>) {
        let StepOptions { step, learning_rate, clip_norm, .. } = options;
        let norm = Tensor::from_floats([self.global_norm(&sum, cluster)], device);
        let factor = (clip_norm > 0.0).then(|| gradients::clip_factor(norm.clone(), clip_norm));
        let own = self.slices.pieces(cluster.rank());
        let mut weights = TakeWeights { pieces: own, parameter: 0, weights: Vec::new() };
        for_each_parameter(&model, &mut weights);
        let update = |((piece, weight), gradient): ((&Piece, Tensor<1>), Option<Vec<f32>>)| {
            let parameter = &self.slices.parameters[piece.parameter];
            let gradient = Tensor::from_floats(gradient?.as_slice(), device);
            let rates = optimizer.rates(parameter.is_matrix, learning_rate, step);
            let name = parameter.name.clone();
            Some(to_host(optimizer.update_flat(name, weight, gradient, factor.clone(), None, rates).0))
        };
        let updated: Vec<Option<Vec<f32>>> = own.iter().zip(weights.weights).zip(sum.pieces).map(update).collect();
        let whole = gradient_exchange::gather(cluster, &self.slices, &updated, &sum.present);
        let model = map_parameters(model, &mut SetWeights { weights: whole.into_iter(), device });
        (model, norm)
    }

    /// Returns the norm of all gradients as one vector, as one process computes it: sums over blocks of each tensor, which
    /// are added in order.
    fn global_norm(&self, sum: &SummedSlice, cluster: &Cluster) -> f32 {
        let block = self.block.expect("the norm is a sum over blocks");
        let blocks = |piece: &&Piece| piece.range.len().div_ceil(block);
        let with_gradient = |rank: usize| self.slices.pieces(rank).iter().filter(|piece| sum.present[piece.parameter]);
        let own = sum.pieces.iter().flatten().flat_map(|values| block_squares(values)).collect();
        let of_rank = exchange_all(cluster, own, |rank| with_gradient(rank).map(|piece| blocks(&piece)).sum());
        let mut squares: Vec<Vec<f32>> = vec![Vec::new(); self.slices.parameters.len()];
        for (rank, values) in of_rank.into_iter().enumerate() {
            let mut values = values.into_iter();
            for piece in with_gradient(rank) {
                squares[piece.parameter].extend(values.by_ref().take(blocks(&piece)));
            }
        }
        let tensors = squares.into_iter().filter(|blocks| !blocks.is_empty()).map(sum_of_blocks);
        tensors.reduce(|sum, square| sum + square).expect("a model has gradients").sqrt()
    }
}

/// Returns the number of values per block of a norm on the model's device, if norms are sums over blocks there.
fn block_of(model: &Transformer) -> Option<usize> {
    struct First(Option<Option<usize>>);
    impl ParameterVisitor for First {
        fn visit<const D: usize>(&mut self, _: &ParameterPath, param: &Param<Tensor<D>>) {
            self.0.get_or_insert_with(|| norm_block(&param.val()));
        }
    }
    let mut first = First(None);
    for_each_parameter(model, &mut first);
    first.0.flatten()
}

/// Takes the weights of pieces, flat.
struct TakeWeights<'a> {
    pieces: &'a [Piece],
    parameter: usize,
    weights: Vec<Tensor<1>>,
}

impl ParameterVisitor for TakeWeights<'_> {
    fn visit<const D: usize>(&mut self, _: &ParameterPath, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        if let Some((Piece { range, .. }, rest)) =
            self.pieces.split_first().filter(|(piece, _)| piece.parameter == self.parameter)
        {
            let weight = param.val().without_autodiff();
            let len: usize = weight.dims().iter().product();
            self.weights.push(weight.reshape([len]).slice([range.clone()]));
            self.pieces = rest;
        }
        self.parameter += 1;
    }
}

/// Replaces the weights of the parameters that are not frozen, unless `None`.
struct SetWeights<'a> {
    weights: vec::IntoIter<Option<Vec<f32>>>,
    device: &'a Device,
}

impl ParameterMapper for SetWeights<'_> {
    fn map<const D: usize>(&mut self, _: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let Some(values) = self.weights.next().expect("as many tensors as parameters") else { return param };
        let (id, weight, mapper) = param.consume();
        let weight = Tensor::<D>::from_data(TensorData::new(values, weight.dims()), self.device);
        Param::from_mapped_value(id, weight.autodiff().require_grad(), mapper)
    }
}

//! Token embeddings and the output projection (paper, section 3.4).
//!
//! Which of the three matrices are one is [`Tie`]'s to say; a tied matrix is a single parameter, so its gradient
//! gathers all its uses.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, module};

use kernels::projection_loss::{LabelSmoothing, LossSums, projection_loss};
use kernels::r_drop_loss::r_drop_loss;

use crate::config::{ModelConfig, Tie, VocabularySizes};

/// The matrices between ids and vectors, each `[vocabulary, d_model]`. Each row of `<pad>` is zero and stays zero.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// Source, target and output in one (`tie = "all"`).
    pub shared: Option<Param<Tensor<2>>>,
    /// Source tokens, unless shared.
    pub source: Option<Param<Tensor<2>>>,
    /// Target tokens, unless shared; also the output projection with `tie = "decoder"`.
    pub target: Option<Param<Tensor<2>>>,
    /// Output projection (`tie = "none"`).
    pub output: Option<Param<Tensor<2>>>,
    /// A bias per target word, `[vocabulary]`.
    pub output_bias: Option<Param<Tensor<1>>>,
    scale: f64,
}

impl Embeddings {
    pub fn new(config: &ModelConfig, sizes: VocabularySizes, device: &Device) -> Self {
        let matrix =
            |wanted: bool, rows: usize| wanted.then(|| Initializer::Zeros.init([rows, config.d_model], device));
        Self {
            shared: matrix(config.tie == Tie::All, sizes.target),
            source: matrix(config.tie != Tie::All, sizes.source),
            target: matrix(config.tie != Tie::All, sizes.target),
            output: matrix(config.tie == Tie::None, sizes.target),
            output_bias: config.output_bias.then(|| Initializer::Zeros.init([sizes.target], device)),
            scale: (config.d_model as f64).sqrt(),
        }
    }

    /// Source ids `[batch, source_len]` to vectors `[batch, source_len, d_model]`, times √d_model.
    pub fn embed_source(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.embed(first([&self.shared, &self.source]), ids)
    }

    /// Target ids `[batch, target_len]` to vectors `[batch, target_len, d_model]`, times √d_model.
    pub fn embed_target(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.embed(first([&self.shared, &self.target]), ids)
    }

    /// Hidden states `[rows, d_model]` to logits `[rows, vocabulary]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let (matrix, bias) = self.output();
        module::linear(hidden, matrix.transpose(), bias)
    }

    /// The loss of the logits of hidden states `[rows, d_model]` against targets `[rows]`.
    pub fn loss(&self, hidden: Tensor<2>, targets: Tensor<1, Int>, smoothing: LabelSmoothing) -> LossSums {
        let (matrix, bias) = self.output();
        projection_loss(hidden, matrix, bias, targets, smoothing)
    }

    /// The loss of two passes over the same targets `[rows]`, whose hidden states `[2 * rows, d_model]` follow each other,
    /// and which are asked to agree with the weight `alpha`.
    pub fn r_drop_loss(
        &self,
        hidden: Tensor<2>,
        targets: Tensor<1, Int>,
        smoothing: LabelSmoothing,
        alpha: f64,
    ) -> LossSums {
        let (matrix, bias) = self.output();
        r_drop_loss(hidden, matrix, bias, targets, smoothing, alpha)
    }

    /// The output projection's matrix `[vocabulary, d_model]`, and its bias.
    fn output(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        let bias = self.output_bias.as_ref().map(|bias| bias.val());
        (first([&self.output, &self.shared, &self.target]), bias)
    }

    /// Zeroes the gradient of every `<pad>` row, so that these rows stay zero whatever the optimizer does.
    pub fn zero_padding_gradients(&self, gradients: &mut GradientsParams) {
        for matrix in [&self.shared, &self.source, &self.target, &self.output].into_iter().flatten() {
            if let Some(gradient) = gradients.remove::<2>(matrix.id) {
                let [rows, width] = gradient.dims();
                let zeros = Tensor::zeros([1, width], &gradient.device());
                gradients.register(matrix.id, gradient.slice_assign([rows - 1..rows, 0..width], zeros));
            }
        }
    }

    fn embed(&self, matrix: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
        kernels::embedding::embedding(matrix, ids, self.scale)
    }
}

/// The first matrix present; `new` makes every combination that is asked for.
fn first<const N: usize>(candidates: [&Option<Param<Tensor<2>>>; N]) -> Tensor<2> {
    let matrix = candidates.into_iter().flatten().next();
    matrix.expect("every tying has a matrix for each of its three uses").val()
}

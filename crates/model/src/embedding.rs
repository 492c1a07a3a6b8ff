//! Token embeddings and the output projection (paper, section 3.4).
//!
//! > "we share the same weight matrix between the two embedding layers and the pre-softmax linear transformation"
//!
//! [`Tie`] decides which of the three matrices are one. A tied matrix is a single parameter, so its gradient is the sum
//! over all its uses.
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use model::embedding::Embeddings;
//! use model::{ModelConfig, VocabularySizes, weights};
//!
//! let device = Device::flex();
//! let config = ModelConfig { d_model: 4, ..ModelConfig::default() };
//! let embeddings = Embeddings::new(&config, VocabularySizes::joint(2), &device);
//! let embeddings = weights::replace(embeddings, |_, _| vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
//! let ids = Tensor::<2, Int>::from_ints([[0]], &device);
//! let embedded: Vec<f32> = embeddings.embed_source(ids).into_data().iter().collect();
//! assert_eq!(embedded, [2.0, 4.0, 6.0, 8.0]); // times √4
//! let hidden = Tensor::<2>::from_floats([[1.0, 1.0, 1.0, 1.0]], &device);
//! let logits: Vec<f32> = embeddings.logits(hidden).into_data().iter().collect();
//! assert_eq!(logits, [10.0, 0.0]); // the dot products with both rows
//! ```

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};

use kernels::projection_loss::{LabelSmoothing, LossSums, Projection, Targets, projection_loss};
use kernels::r_drop_loss::r_drop_loss;

use crate::config::{ModelConfig, Tie, VocabularySizes};

/// The matrices between ids and vectors, each `[vocabulary, d_model]`. A row of `<pad>` that is zero stays zero.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// Source, target and output in one (`tie = "all"`), or source and target (`tie = "inputs"`).
    pub shared: Option<Param<Tensor<2>>>,
    /// Source tokens, unless shared.
    pub source: Option<Param<Tensor<2>>>,
    /// Target tokens, unless shared; also the output projection with `tie = "decoder"`.
    pub target: Option<Param<Tensor<2>>>,
    /// Output projection (`tie = "none"` and `"inputs"`).
    pub output: Option<Param<Tensor<2>>>,
    /// A bias per target word, `[vocabulary]`.
    pub output_bias: Option<Param<Tensor<1>>>,
    scale: f64,
    logit_scale: f64,
}

/// The output projection to some target tokens.
#[derive(Clone, Debug)]
pub struct OutputRows {
    /// `[outputs, d_model]`.
    matrix: Tensor<2>,
    /// `[outputs]`.
    bias: Option<Tensor<1>>,
}

impl Embeddings {
    /// The matrices that the configuration's tying needs, all zero; [`Transformer::new`](crate::Transformer::new)
    /// initialises them.
    pub fn new(config: &ModelConfig, sizes: VocabularySizes, device: &Device) -> Self {
        let matrix = |rows: usize| Some(Initializer::Zeros.init([rows, config.d_model], device));
        let (shared, source, target, output) = match config.tie {
            Tie::All => (matrix(sizes.target), None, None, None),
            Tie::Decoder => (None, matrix(sizes.source), matrix(sizes.target), None),
            Tie::None => (None, matrix(sizes.source), matrix(sizes.target), matrix(sizes.target)),
            Tie::Inputs => (matrix(sizes.target), None, None, matrix(sizes.target)),
        };
        let output_bias = config.output_bias.then(|| Initializer::Zeros.init([sizes.target], device));
        let (scale, logit_scale) = (config.embedding_scale(), config.logit_scale());
        Self { shared, source, target, output, output_bias, scale, logit_scale }
    }

    /// Source ids `[batch, source_len]` to vectors `[batch, source_len, d_model]`, times √d_model unless unscaled.
    pub fn embed_source(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.embed(first([&self.shared, &self.source]), ids)
    }

    /// Target ids `[batch, target_len]` to vectors `[batch, target_len, d_model]`, times √d_model unless unscaled.
    pub fn embed_target(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.embed(first([&self.shared, &self.target]), ids)
    }

    /// Hidden states `[rows, d_model]` to logits `[rows, vocabulary]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.projection(hidden).logits()
    }

    /// The output projection to these target tokens (`[outputs]`) alone.
    pub fn output_rows(&self, tokens: Tensor<1, Int>) -> OutputRows {
        let bias = self.output_bias.as_ref().map(|bias| bias.val().select(0, tokens.clone()));
        OutputRows { matrix: self.output_matrix().select(0, tokens), bias }
    }

    /// As [`logits`](Self::logits), of these outputs alone: `[rows, outputs]`.
    pub fn logits_of(&self, hidden: Tensor<2>, outputs: &OutputRows) -> Tensor<2> {
        let OutputRows { matrix, bias } = outputs.clone();
        Projection { hidden: self.scaled(hidden), matrix, bias }.logits()
    }

    /// The loss of hidden states `[rows, d_model]` against targets `[rows]`, without holding all logits.
    pub fn loss(&self, hidden: Tensor<2>, targets: Tensor<1, Int>, smoothing: LabelSmoothing) -> LossSums {
        projection_loss(self.projection(hidden), Targets { ids: targets, smoothing })
    }

    /// The R-Drop loss of two passes over the same targets `[rows]`, with the weight `alpha` of their divergence.
    ///
    /// `hidden` holds the states of the first pass, then those of the second: `[2 * rows, d_model]`.
    pub fn r_drop_loss(
        &self,
        hidden: Tensor<2>,
        targets: Tensor<1, Int>,
        smoothing: LabelSmoothing,
        alpha: f64,
    ) -> LossSums {
        r_drop_loss(self.projection(hidden), Targets { ids: targets, smoothing }, alpha)
    }

    /// The output projection's matrix `[vocabulary, d_model]`, and its bias.
    fn projection(&self, hidden: Tensor<2>) -> Projection {
        let bias = self.output_bias.as_ref().map(|bias| bias.val());
        Projection { hidden: self.scaled(hidden), matrix: self.output_matrix(), bias }
    }

    fn scaled(&self, hidden: Tensor<2>) -> Tensor<2> {
        if self.logit_scale == 1.0 { hidden } else { hidden.mul_scalar(self.logit_scale) }
    }

    fn output_matrix(&self) -> Tensor<2> {
        first([&self.output, &self.shared, &self.target])
    }

    /// Zeroes the gradient of every `<pad>` row of zeros, so that no optimizer moves these rows from zero. An imported row
    /// with values, as T5 has, is trained like any other: the decoder starts from it.
    pub fn zero_padding_gradients(&self, gradients: &mut GradientsParams) {
        for matrix in [&self.shared, &self.source, &self.target, &self.output].into_iter().flatten() {
            if let Some(gradient) = gradients.remove::<2>(matrix.id) {
                let [rows, width] = gradient.dims();
                let row = [rows - 1..rows, 0..width];
                let largest = matrix.val().without_autodiff().slice(row.clone()).abs().max_dim(1);
                let of_zeros = largest.equal_elem(0.0).expand([1, width]);
                let kept = gradient.clone().slice(row.clone()).mask_fill(of_zeros, 0.0);
                gradients.register(matrix.id, gradient.slice_assign(row, kept));
            }
        }
    }

    fn embed(&self, matrix: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
        kernels::embedding::embedding(matrix, ids, self.scale)
    }
}

/// The first matrix present; `new` makes one for each use.
fn first<const N: usize>(candidates: [&Option<Param<Tensor<2>>>; N]) -> Tensor<2> {
    let matrix = candidates.into_iter().flatten().next();
    matrix.expect("every tying has a matrix for each of its three uses").val()
}

//! Options of the network that are a choice between variants.
//!
//! Each enum lists its variants in `ALL`, so that tests cover a new one without being changed. A match on an option names
//! every variant; the crate denies catch-all arms.

use serde::{Deserialize, Serialize};

/// Declares an option and the list of its variants at once, so that neither can lack one.
macro_rules! option_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$about_variant:meta])* $variant:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$about_variant])* $variant,)+
        }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

option_enum! {
    /// The place of layer normalisation relative to a sub-layer.
    NormOrder {
        /// `norm(x + sublayer(x))`: the paper.
        Post,
        /// `x + sublayer(norm(x))`, with one more norm after each stack.
        Pre,
    }
}

option_enum! {
    /// The kind of normalisation.
    NormKind {
        /// Layer normalisation (Ba et al. 2016): the paper.
        Layer,
        /// Root-mean-square normalisation (Zhang and Sennrich 2019): no mean, no bias.
        Rms,
    }
}

option_enum! {
    /// The non-linearity of the feed-forward network.
    Activation {
        /// `max(0, x)`: the paper.
        Relu,
        /// Gaussian error linear unit, exact (with erf).
        Gelu,
        /// `x · sigmoid(x)`, also called swish.
        Silu,
        /// A SiLU-gated unit (Shazeer 2020): a third matrix, `silu(gate(x)) · inner(x)`.
        Swiglu,
        /// Gaussian error linear unit, approximated by tanh: `gelu_new` of Hugging Face.
        GeluTanh,
        /// A unit gated by that approximation: `gelu_tanh(gate(x)) · inner(x)`, the `gated-gelu` of T5 1.1.
        GegluTanh,
    }
}

option_enum! {
    /// The encoding of a token's position.
    PositionKind {
        /// Sines at even and cosines at odd columns: the paper.
        Sinusoidal,
        /// All sines, then all cosines: the layout of Hugging Face Marian.
        SinusoidalHalves,
        /// One trained vector per position.
        Learned,
        /// All sines, then all cosines, with the longest wavelength 2π · 10000: the layout of fairseq and M2M100.
        SinusoidalFairseq,
        /// No vector per position, but a trained term of each score by head and distance: T5. All layers of a stack share
        /// the terms.
        Relative,
        /// The same with terms of its own in each layer: UMT5.
        RelativePerLayer,
        /// The paper's sinusoids, and terms of each layer's scores as in UMT5.
        SinusoidalRelative,
    }
}

option_enum! {
    /// The first sub-layer of the decoder's layers, by which a position reads the positions before it.
    DecoderSelf {
        /// Masked self-attention: the paper.
        Attention,
        /// A recurrent cell, the simpler simple recurrent unit (Kim et al. 2019): students of Marian.
        Ssru,
    }
}

option_enum! {
    /// The sharing of the embedding matrices (paper, section 3.4).
    Tie {
        /// Three matrices: source embedding, target embedding, output projection.
        None,
        /// Target embedding and output projection share one matrix.
        #[serde(alias = "two")]
        Decoder,
        /// All three share one matrix, which requires a joint vocabulary: the paper.
        #[serde(alias = "three")]
        All,
        /// Source and target share one and need one joint vocabulary; the output projection has its own: T5 1.1.
        Inputs,
    }
}

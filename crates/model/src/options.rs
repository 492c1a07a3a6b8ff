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
    }
}

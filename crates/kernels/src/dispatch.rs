//! The code that the operations of all backends with fused forms share: their trait, and their place in burn's graph.

/// Defines `Operation`, `Kept`, `exactly` and `one` to `four` for the backend `$backend`, which burn's dispatch calls
/// `$selector`. An operation computes with `$values`; `$unwrap` returns those of a tensor of the backend, `$wrap` the tensor.
macro_rules! operations {
    ($backend:ident, $selector:ident, $values:ty, $unwrap:path, $wrap:path) => {
        /// Values that a tracked forward pass keeps for the backward pass.
        pub type Kept = Vec<$values>;

        /// An operation on float32 tensors with its derivative.
        pub trait Operation: std::fmt::Debug + Send + Sync + 'static {
            /// Returns the result and, when `tracked`, everything that [`backward`](Self::backward) needs.
            fn forward(&self, inputs: Vec<$values>, tracked: bool) -> ($values, Kept);

            /// Returns the gradient of each input marked in `wanted`, from the gradient of the result.
            fn backward(&self, kept: Kept, gradient: $values, wanted: &[bool]) -> Vec<Option<$values>>;
        }

        /// The inputs of an operation as an array, to be named by a pattern.
        ///
        /// # Panics
        /// Other than `N` inputs.
        pub fn exactly<const N: usize>(inputs: Vec<$values>) -> [$values; N] {
            inputs.try_into().expect("as many inputs as the operation was called with")
        }

        type Shared = std::sync::Arc<dyn Operation>;

        #[backend_extension(Autodiff, $selector)]
        trait Fused: Backend {
            fn one(a: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
            fn two(a: FloatTensor<Self>, b: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
            fn three(
                a: FloatTensor<Self>,
                b: FloatTensor<Self>,
                c: FloatTensor<Self>,
                operation: Shared,
            ) -> FloatTensor<Self>;
            fn four(
                a: FloatTensor<Self>,
                b: FloatTensor<Self>,
                c: FloatTensor<Self>,
                d: FloatTensor<Self>,
                operation: Shared,
            ) -> FloatTensor<Self>;
        }

        /// The result of an operation on one tensor.
        pub fn one<const A: usize, const R: usize>(a: Tensor<A>, operation: impl Operation) -> Tensor<R> {
            Tensor::from_dispatch(<Dispatch as Fused>::one(a.into_dispatch(), std::sync::Arc::new(operation)))
        }

        /// The result of an operation on two tensors.
        pub fn two<const A: usize, const B: usize, const R: usize>(
            a: Tensor<A>,
            b: Tensor<B>,
            operation: impl Operation,
        ) -> Tensor<R> {
            let [a, b] = [a.into_dispatch(), b.into_dispatch()];
            Tensor::from_dispatch(<Dispatch as Fused>::two(a, b, std::sync::Arc::new(operation)))
        }

        /// The result of an operation on three tensors.
        pub fn three<const A: usize, const B: usize, const C: usize, const R: usize>(
            a: Tensor<A>,
            b: Tensor<B>,
            c: Tensor<C>,
            operation: impl Operation,
        ) -> Tensor<R> {
            let [a, b, c] = [a.into_dispatch(), b.into_dispatch(), c.into_dispatch()];
            Tensor::from_dispatch(<Dispatch as Fused>::three(a, b, c, std::sync::Arc::new(operation)))
        }

        /// The result of an operation on four tensors.
        pub fn four<const A: usize, const B: usize, const C: usize, const D: usize, const R: usize>(
            a: Tensor<A>,
            b: Tensor<B>,
            c: Tensor<C>,
            d: Tensor<D>,
            operation: impl Operation,
        ) -> Tensor<R> {
            let [a, b, c, d] = [a.into_dispatch(), b.into_dispatch(), c.into_dispatch(), d.into_dispatch()];
            Tensor::from_dispatch(<Dispatch as Fused>::four(a, b, c, d, std::sync::Arc::new(operation)))
        }

        type Plain = FloatTensor<$backend>;

        impl Fused for $backend {
            fn one(a: Plain, operation: Shared) -> Plain {
                compute([a], &operation)
            }

            fn two(a: Plain, b: Plain, operation: Shared) -> Plain {
                compute([a, b], &operation)
            }

            fn three(a: Plain, b: Plain, c: Plain, operation: Shared) -> Plain {
                compute([a, b, c], &operation)
            }

            fn four(a: Plain, b: Plain, c: Plain, d: Plain, operation: Shared) -> Plain {
                compute([a, b, c, d], &operation)
            }
        }

        type Tracked<C> = FloatTensor<Autodiff<$backend, C>>;

        impl<C: CheckpointStrategy> Fused for Autodiff<$backend, C> {
            fn one(a: Tracked<C>, operation: Shared) -> Tracked<C> {
                record::<C, 1>([a], operation)
            }

            fn two(a: Tracked<C>, b: Tracked<C>, operation: Shared) -> Tracked<C> {
                record::<C, 2>([a, b], operation)
            }

            fn three(a: Tracked<C>, b: Tracked<C>, c: Tracked<C>, operation: Shared) -> Tracked<C> {
                record::<C, 3>([a, b, c], operation)
            }

            fn four(a: Tracked<C>, b: Tracked<C>, c: Tracked<C>, d: Tracked<C>, operation: Shared) -> Tracked<C> {
                record::<C, 4>([a, b, c, d], operation)
            }
        }

        fn compute<const N: usize>(inputs: [Plain; N], operation: &Shared) -> Plain {
            $wrap(operation.forward(inputs.map($unwrap).into(), false).0)
        }

        fn record<C: CheckpointStrategy, const N: usize>(inputs: [Tracked<C>; N], operation: Shared) -> Tracked<C> {
            let nodes = inputs.each_ref().map(|input| input.node());
            let inputs: Vec<$values> = inputs.map(|input| $unwrap(input.into_primitive())).into();
            match Derivative.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prepared) => {
                    let (result, kept) = operation.forward(inputs, true);
                    prepared.finish((operation, kept), $wrap(result))
                }
                OpsKind::UnTracked(prepared) => prepared.finish($wrap(operation.forward(inputs, false).0)),
            }
        }

        #[derive(Debug)]
        struct Derivative;

        impl<const N: usize> Backward<$backend, N> for Derivative {
            type State = (Shared, Kept);

            fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
                let gradient = $unwrap(gradients.consume::<$backend>(&ops.node));
                let (operation, kept) = ops.state;
                let wanted: Vec<bool> = ops.parents.iter().map(Option::is_some).collect();
                let computed = operation.backward(kept, gradient, &wanted);
                for (parent, gradient) in ops.parents.into_iter().zip(computed) {
                    if let (Some(parent), Some(gradient)) = (parent, gradient) {
                        gradients.register::<$backend>(parent.id, $wrap(gradient));
                    }
                }
            }
        }
    };
}

pub(crate) use operations;

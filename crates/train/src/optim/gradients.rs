//! Gradients of an update: summed over its micro-batches and clipped by their global norm.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use kernels::adam::{GlobalNorm, accumulate};

/// Adds the gradients of a micro-batch to the sum of those before it.
pub fn add<M: Module>(model: &M, sum: GradientsParams, part: GradientsParams) -> GradientsParams {
    let mut visitor = Add { sum, part };
    model.visit(&mut visitor);
    visitor.sum
}

/// Returns the norm of all gradients as one vector, `[1]`, left on the device.
///
/// # Panics
/// Without a gradient.
pub fn global_norm<M: Module>(model: &M, gradients: &GradientsParams) -> Tensor<1> {
    let mut visitor = AddAll { gradients, norm: GlobalNorm::default() };
    model.visit(&mut visitor);
    visitor.norm.root().expect("a model has gradients")
}

/// Returns the factor, `[1]`, with which gradients of the global norm `norm` have at most `max_norm`.
pub fn clip_factor(norm: Tensor<1>, max_norm: f64) -> Tensor<1> {
    norm.add_scalar(1e-6).recip().mul_scalar(max_norm).clamp_max(1.0)
}

struct Add {
    sum: GradientsParams,
    part: GradientsParams,
}

impl ModuleVisitor for Add {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(part) = self.part.remove::<D>(param.id) else { return };
        let sum = match self.sum.remove::<D>(param.id) {
            Some(sum) => accumulate(sum, part),
            None => part,
        };
        self.sum.register(param.id, sum);
    }
}

struct AddAll<'a> {
    gradients: &'a GradientsParams,
    norm: GlobalNorm,
}

impl ModuleVisitor for AddAll<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.norm.add(gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn model() -> Linear {
        LinearConfig::new(3, 2).init(&Device::flex().autodiff())
    }

    /// The gradients of the sum of the model's squared outputs for one row of input.
    fn gradients(model: &Linear, row: [f32; 3]) -> GradientsParams {
        let input = Tensor::<2>::from_floats([row], &Device::flex().autodiff());
        GradientsParams::from_grads(model.forward(input).square().sum().backward(), model)
    }

    fn flat(model: &Linear, gradients: &GradientsParams) -> Vec<f32> {
        let tensors = model::weights::collect_gradients(model, gradients);
        tensors.into_iter().flat_map(|tensor| tensor.values).collect()
    }

    fn norm(model: &Linear, gradients: &GradientsParams) -> f32 {
        global_norm(model, gradients).into_scalar()
    }

    #[test]
    fn micro_batches_add_up_element_by_element() {
        let model = model();
        let rows = [[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0], [0.1, 0.2, -0.3]];
        let sum = rows.iter().map(|row| gradients(&model, *row)).reduce(|sum, part| add(&model, sum, part)).unwrap();
        let parts: Vec<Vec<f32>> = rows.iter().map(|row| flat(&model, &gradients(&model, *row))).collect();
        for (i, total) in flat(&model, &sum).into_iter().enumerate() {
            let expected: f32 = parts.iter().map(|part| part[i]).sum();
            assert!((total - expected).abs() < 1e-4, "{total} is not {expected}");
        }
    }

    #[test]
    fn long_gradients_are_clipped_by_the_global_norm() {
        let model = model();
        let whole = gradients(&model, [1.0, 2.0, 3.0]);
        let before = flat(&model, &whole);
        let expected = before.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((norm(&model, &whole) - expected).abs() < 1e-4 * expected);

        let factor: f32 = clip_factor(global_norm(&model, &whole), f64::from(expected) / 4.0).into_scalar();
        assert!((factor - 0.25).abs() < 1e-4, "{factor} is not a quarter");
    }

    #[test]
    fn short_gradients_are_not_clipped() {
        let model = model();
        let short = gradients(&model, [1.0, 2.0, 3.0]);
        assert_eq!(clip_factor(global_norm(&model, &short), 1e6).into_scalar::<f32>(), 1.0);
    }
}

//! Norms and activations of rows of `width` values, in place.

use crate::simd::{WIDE, exp, sum, vectorised};

/// Layer normalisation: (x − mean) / √(variance + ε) · γ + β, for rows as wide as `gamma` and `beta`.
///
/// # Panics
/// Slices that are not of these shapes.
pub fn layer_norm(rows: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32) {
    let width = gamma.len();
    assert!(beta.len() == width && rows.len().is_multiple_of(width), "rows of {width}");
    vectorised!(rows.chunks_exact_mut(width).for_each(|row| {
        let mean = sum::<WIDE>(row, |x| x) / width as f32;
        let variance = sum::<WIDE>(row, |x| (x - mean) * (x - mean)) / width as f32;
        let factor = 1.0 / (variance + epsilon).sqrt();
        row.iter_mut().zip(gamma).zip(beta).for_each(|((x, g), b)| *x = (*x - mean) * factor * g + b);
    }));
}

/// Root-mean-square normalisation: x / √(mean of x² + ε) · γ, for rows as wide as `gamma`.
///
/// # Panics
/// Rows of another width.
pub fn rms_norm(rows: &mut [f32], gamma: &[f32], epsilon: f32) {
    let width = gamma.len();
    assert!(rows.len().is_multiple_of(width), "rows of {width}");
    vectorised!(rows.chunks_exact_mut(width).for_each(|row| {
        let factor = 1.0 / (sum::<WIDE>(row, |x| x * x) / width as f32 + epsilon).sqrt();
        row.iter_mut().zip(gamma).for_each(|(x, g)| *x = *x * factor * g);
    }));
}

/// `x += change`.
///
/// # Panics
/// Slices of different lengths.
pub fn add(x: &mut [f32], change: &[f32]) {
    assert_eq!(x.len(), change.len(), "as many changes as values");
    vectorised!(x.iter_mut().zip(change).for_each(|(x, change)| *x += change));
}

/// x · Φ(x), with Φ the normal distribution function.
pub fn gelu(values: &mut [f32]) {
    let half = |x: f32| 0.5 * x;
    values.iter_mut().for_each(|x| *x = half(*x) + half(*x) * libm::erff(*x * std::f32::consts::FRAC_1_SQRT_2));
}

/// x / (1 + e⁻ˣ).
pub fn silu(values: &mut [f32]) {
    vectorised!(values.iter_mut().for_each(|x| *x = silu_of(*x)));
}

/// `values = silu(gate) · values`: the gated unit SwiGLU.
///
/// # Panics
/// Slices of different lengths.
pub fn swiglu(gate: &[f32], values: &mut [f32]) {
    assert_eq!(gate.len(), values.len(), "as many gates as values");
    vectorised!(values.iter_mut().zip(gate).for_each(|(x, &gate)| *x *= silu_of(gate)));
}

/// 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))): GELU's approximation by tanh.
pub fn gelu_tanh(values: &mut [f32]) {
    vectorised!(values.iter_mut().for_each(|x| *x = gelu_tanh_of(*x)));
}

/// `values = gelu_tanh(gate) · values`: the gated unit GEGLU with GELU's approximation by tanh.
///
/// # Panics
/// Slices of different lengths.
pub fn geglu_tanh(gate: &[f32], values: &mut [f32]) {
    assert_eq!(gate.len(), values.len(), "as many gates as values");
    vectorised!(values.iter_mut().zip(gate).for_each(|(x, &gate)| *x *= gelu_tanh_of(gate)));
}

/// 0.5 · (1 + tanh(y)) is sigmoid(2y), so that GELU's approximation is x · sigmoid(2y).
#[inline(always)]
fn gelu_tanh_of(x: f32) -> f32 {
    const ROOT: f32 = 0.797_884_6; // √(2/π)
    let twice = 2.0 * ROOT * (x + 0.044_715 * x * x * x);
    let power = exp(if twice > 0.0 { -twice } else { twice });
    if twice > 0.0 { x / (1.0 + power) } else { x * power / (1.0 + power) }
}

/// x · sigmoid(x); the exponential of −|x| cannot overflow.
#[inline(always)]
fn silu_of(x: f32) -> f32 {
    let power = exp(if x > 0.0 { -x } else { x });
    if x > 0.0 { x / (1.0 + power) } else { x * power / (1.0 + power) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms() {
        let mut rows = [1.0, 2.0, 3.0, 4.0, -1.0, -1.0, 1.0, 1.0];
        layer_norm(&mut rows, &[1.0, 1.0, 2.0, 1.0], &[0.0, 0.0, 0.0, 5.0], 0.0);
        let deviation = 1.25f32.sqrt();
        let expected =
            [-1.5 / deviation, -0.5 / deviation, 1.0 / deviation, 1.5 / deviation + 5.0, -1.0, -1.0, 2.0, 6.0];
        rows.iter().zip(expected).for_each(|(x, y)| assert!((x - y).abs() < 1e-6, "{rows:?}"));
        let mut rows = [3.0, 4.0];
        rms_norm(&mut rows, &[1.0, 2.0], 0.0);
        let root = 12.5f32.sqrt();
        rows.iter().zip([3.0 / root, 8.0 / root]).for_each(|(x, y)| assert!((x - y).abs() < 1e-6, "{rows:?}"));
    }

    #[test]
    fn activations() {
        let inputs = [-200.0, -3.0, -0.5, 0.0, 0.5, 3.0, 200.0f32];
        let (mut silus, mut gelus) = (inputs, inputs);
        silu(&mut silus);
        gelu(&mut gelus);
        for ((x, silu), gelu) in inputs.into_iter().map(f64::from).zip(silus).zip(gelus) {
            assert!((f64::from(silu) - x / (1.0 + (-x).exp())).abs() < 1e-6, "silu({x}) = {silu}");
            assert!(
                (f64::from(gelu) - 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()))).abs() < 1e-6,
                "gelu({x}) = {gelu}"
            );
        }
        let mut tanhs = inputs;
        gelu_tanh(&mut tanhs);
        for (x, found) in inputs.into_iter().map(f64::from).zip(tanhs) {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            assert!((f64::from(found) - 0.5 * x * (1.0 + inner.tanh())).abs() < 1e-6, "gelu_tanh({x}) = {found}");
        }
        let mut gated = [2.0; 7];
        geglu_tanh(&inputs, &mut gated);
        assert_eq!(gated, tanhs.map(|x| 2.0 * x));
        let mut gated = [2.0; 7];
        swiglu(&inputs, &mut gated);
        assert_eq!(gated, silus.map(|x| 2.0 * x));
    }
}

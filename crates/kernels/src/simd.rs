//! Vector loops, compiled for several instruction sets and selected at run time.

/// Evaluates an expression compiled for the widest vectors of this processor.
///
/// Callees get the wide instructions only if they are inlined: mark loops and long formulas `#[inline(always)]`; one-liners
/// inline anyway.
macro_rules! vectorised {
    ($work:expr) => {
        $crate::simd::run(
            #[inline(always)]
            || $work,
        )
    };
}
pub(crate) use vectorised;

/// Runs `work` compiled for this processor. The bound is not `FnOnce`, for which the compiler would generate a wrapper
/// without the wide instructions.
#[inline(always)]
pub fn run<R>(work: impl FnMut() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: the processor has these instructions, as just detected.
            return unsafe { with_avx512(work) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { with_avx2(work) };
        }
    }
    plain(work)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn with_avx512<R>(mut work: impl FnMut() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(mut work: impl FnMut() -> R) -> R {
    work()
}

fn plain<R>(mut work: impl FnMut() -> R) -> R {
    work()
}

/// Lanes of two of the widest registers, for long rows. Sums in a fixed number of lanes vectorise and are equal for any
/// register width.
pub const WIDE: usize = 32;
/// Lanes of one of the widest registers, for short rows.
pub const NARROW: usize = 16;

/// Σ f(x) over a slice, in an order that is the same on every processor.
#[inline(always)]
pub fn sum<const LANES: usize>(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f(x);
    }
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(x);
        }
    }
    fold(lanes, |a, b| a + b)
}

/// Σ f(x, y) over two slices of one length.
#[cfg(any(feature = "flex", test))] // for training only
#[inline(always)]
pub fn sum_pairs<const LANES: usize>(left: &[f32], right: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (lefts, rights) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    for ((lane, &x), &y) in lanes.iter_mut().zip(lefts.remainder()).zip(rights.remainder()) {
        *lane += f(x, y);
    }
    for (x, y) in lefts.zip(rights) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += f(x, y);
        }
    }
    fold(lanes, |a, b| a + b)
}

/// max(0, x); NaN stays NaN, as with every other operation.
#[inline(always)]
pub fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

/// The maximum; −∞ for no values, NaN if one is NaN.
///
/// Two maxima, each one instruction: that of the numbers, and that of the magnitudes' bits, of which NaN has the largest.
#[inline(always)]
pub fn max<const LANES: usize>(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b }; // b if a is NaN
    let (mut lanes, mut magnitudes) = ([f32::NEG_INFINITY; LANES], [0u32; LANES]);
    let chunks = values.chunks_exact(LANES);
    for ((lane, magnitude), &x) in lanes.iter_mut().zip(&mut magnitudes).zip(chunks.remainder()) {
        *lane = larger(x, *lane);
        *magnitude = x.abs().to_bits().max(*magnitude);
    }
    for chunk in chunks {
        for ((lane, magnitude), &x) in lanes.iter_mut().zip(&mut magnitudes).zip(chunk) {
            *lane = larger(x, *lane);
            *magnitude = x.abs().to_bits().max(*magnitude);
        }
    }
    match fold(magnitudes, u32::max) > f32::INFINITY.to_bits() {
        true => f32::NAN,
        false => fold(lanes, larger),
    }
}

/// Replaces each value by exp(value − `peak`) and returns their sum.
#[inline(always)]
pub fn exp_and_sum<const LANES: usize>(values: &mut [f32], peak: f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *x = exp(*x - peak);
            *lane += *x;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(chunks.into_remainder()) {
        *x = exp(*x - peak);
        *lane += *x;
    }
    fold(lanes, |a, b| a + b)
}

#[inline(always)]
fn fold<T: Copy, const LANES: usize>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = f(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// eˣ for x ≤ 88, within 2 units in the last place; 0 below −87, NaN for NaN. It vectorises, unlike `f32::exp`.
///
/// 2ⁿ · eʳ with n = round(x / ln 2), and a Taylor-like polynomial (Cephes) for eʳ, |r| ≤ ln 2 / 2.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it leaves no bits for a fraction
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x < -87.0 { -87.0 } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23)); // n stands in the lowest bits of `shifted`
    if x <= -87.0 { 0.0 } else { y * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exp() {
        for i in -8_699..8_800 {
            let x = i as f32 / 100.0;
            let (ours, true_value) = (vectorised!(exp(x)), f64::from(x).exp());
            assert!((f64::from(ours) / true_value - 1.0).abs() < 3e-7, "exp({x}) = {ours}, not {true_value}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert_eq!((exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn sums_and_maxima_of_any_length() {
        for len in [0, 1, 31, 32, 33, 100] {
            let values: Vec<f32> = (0..len).map(|i| ((i * 7) % 13) as f32 - 6.0).collect();
            assert_eq!(vectorised!(sum::<WIDE>(&values, |x| x * x)), values.iter().map(|x| x * x).sum::<f32>());
            assert_eq!(
                vectorised!(sum_pairs::<WIDE>(&values, &values, |x, y| x + y)),
                2.0 * values.iter().sum::<f32>()
            );
            assert_eq!(max::<NARROW>(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            for spoilt in 0..len {
                let mut values = values.clone();
                values[spoilt] = f32::NAN;
                assert!(vectorised!(max::<NARROW>(&values)).is_nan(), "{spoilt} of {len}");
            }
            let mut powers = values.clone();
            let total = vectorised!(exp_and_sum::<NARROW>(&mut powers, 6.0));
            assert!((total - values.iter().map(|x| (x - 6.0).exp()).sum::<f32>()).abs() < 1e-5);
        }
    }

    /// Runs are equal on processors of different register widths.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn any_width_gives_the_same_bits() {
        #[inline(always)]
        fn bits(values: &[f32]) -> Vec<u32> {
            let mut results = values.to_vec();
            let total = exp_and_sum::<NARROW>(&mut results, 0.1);
            let squares = sum::<WIDE>(values, |x| x * x + 0.3);
            results.extend([total, squares, sum_pairs::<WIDE>(values, values, |x, y| x * y - x)]);
            results.into_iter().map(f32::to_bits).collect()
        }
        let values: Vec<f32> = (0..1_003).map(|i| ((i * 7_919) % 1_009) as f32 * -0.013).collect();
        let narrowest = bits(&values);
        assert_eq!(vectorised!(bits(&values)), narrowest);
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has these instructions, as just detected.
            let narrower = unsafe {
                with_avx2(
                    #[inline(always)]
                    || bits(&values),
                )
            };
            assert_eq!(narrower, narrowest);
        }
    }
}

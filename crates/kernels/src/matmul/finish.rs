//! Bias and ReLU around products that do not have them built in.

use std::mem::MaybeUninit;

use super::view::{Accumulate, Finish, MatrixMut};
use crate::simd::relu;

/// Computes `finish` by a product that overwrites its target or adds to it.
pub fn on_top_of(mut target: MatrixMut, finish: Finish, product: impl FnOnce(MatrixMut, Accumulate)) {
    let before = match (finish.bias, finish.before) {
        (None, before) => before,
        (Some(bias), Accumulate::Overwrite) => {
            for_each_row(&mut target, |row| {
                row.iter_mut().zip(bias).for_each(|(x, &bias)| _ = x.write(bias));
            });
            target.readable = true;
            Accumulate::Add
        }
        (Some(bias), Accumulate::Add) => {
            for_each_value(&mut target, |x, col| x + bias[col]);
            Accumulate::Add
        }
    };
    product(target.reborrow(), before);
    target.readable = true;
    if finish.relu {
        for_each_value(&mut target, |x, _| relu(x));
    }
}

/// The result of a product of depth 0.
pub fn without_product(mut target: MatrixMut, finish: Finish) {
    if finish.before == Accumulate::Overwrite {
        for_each_row(&mut target, |row| row.iter_mut().for_each(|x| _ = x.write(0.0)));
        target.readable = true;
    }
    on_top_of(target, Finish { before: Accumulate::Add, ..finish }, |_, _| {});
}

fn for_each_row(target: &mut MatrixMut, mut work: impl FnMut(&mut [MaybeUninit<f32>])) {
    let (cols, rows) = (target.cols, target.rows);
    target.values.chunks_mut(target.row_stride.max(1)).take(rows).for_each(|row| work(&mut row[..cols]));
}

/// Replaces each value by that of its column.
fn for_each_value(target: &mut MatrixMut, work: impl Fn(f32, usize) -> f32) {
    assert!(target.readable, "a target without values");
    for_each_row(target, |row| {
        for (col, x) in row.iter_mut().enumerate() {
            // SAFETY: the target has values.
            x.write(work(unsafe { x.assume_init() }, col));
        }
    });
}

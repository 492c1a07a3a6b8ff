//! Sums over the units of a cube, in a fixed order.

use cubecl::prelude::*;

/// The sum of `value` over the cube's units, in every unit. `shared` has an element per unit.
///
/// The order is that of a tree: in each round, a unit adds the value half the remaining units away.
#[cube]
pub fn sum_of_cube(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube(); // the last result has been read
    shared[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            shared[unit] = shared[unit] + shared[unit + half];
        }
        sync_cube();
        half /= 2;
    }
    shared[0]
}

/// The largest `value` of the cube's units, in every unit. `shared` has an element per unit.
#[cube]
pub fn max_of_cube(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            shared[unit] = max(shared[unit], shared[unit + half]);
        }
        sync_cube();
        half /= 2;
    }
    shared[0]
}

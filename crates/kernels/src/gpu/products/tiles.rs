//! The division of a product among cubes and their units.

/// Numbers that are read and multiplied together.
pub const VECTOR: u32 = 4;

/// The division of a result among cubes and units. A unit computes some rows of [`VECTOR`] columns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tiles {
    /// Units along the rows of a tile.
    pub unit_rows: u32,
    /// Units along its columns.
    pub unit_columns: u32,
    /// Rows of a unit, a multiple of [`VECTOR`].
    pub rows: u32,
}

/// 64 × 64 values by 128 units.
const LARGE: Tiles = Tiles { unit_rows: 8, unit_columns: 16, rows: 8 };

/// 32 × 16 values by 32 units, for matrices of one sentence and for results of few tiles.
const SMALL: Tiles = Tiles { unit_rows: 8, unit_columns: 4, rows: 4 };

/// Minimum number of large tiles.
const MANY: usize = 16;

impl Tiles {
    pub fn units(self) -> u32 {
        self.unit_rows * self.unit_columns
    }

    pub fn height(self) -> u32 {
        self.unit_rows * self.rows
    }

    pub fn width(self) -> u32 {
        self.unit_columns * VECTOR
    }

    /// Tiles along the rows and along the columns of a matrix.
    pub fn count(self, m: usize, n: usize) -> [usize; 2] {
        [m.div_ceil(self.height() as usize), n.div_ceil(self.width() as usize)]
    }

    /// The division for as many results of `m` rows and `n` columns.
    pub fn best(matrices: usize, m: usize, n: usize) -> Self {
        let [rows, columns] = LARGE.count(m, n);
        let (wide, many) = (m.min(n) * 2 > LARGE.width() as usize, matrices * rows * columns >= MANY);
        if wide && many { LARGE } else { SMALL }
    }
}

//! Pixels from which properties of a whole image are measured.

use std::iter::StepBy;
use std::ops::Range;

/// Pixels that are enough: a median of so many is known to 0.5 %.
const ENOUGH: usize = 1 << 16;

/// The places of enough pixels, evenly spread; all pixels if these are few.
///
/// They are the same pixels if the image is turned upside down or mirrored: their distances from
/// the nearest borders, 3 times the vertical one plus the horizontal one, are multiples of a step.
pub(super) struct Places {
    rows: usize,
    cols: usize,
    step: usize,
    y: usize,
    /// Distances from the left border in this row, up to the middle.
    left: StepBy<Range<usize>>,
    /// The place of the mirror image of the last one.
    mirrored: Option<usize>,
}

impl Places {
    pub(super) fn new(rows: usize, cols: usize) -> Self {
        let step = rows.saturating_mul(cols).div_ceil(ENOUGH).max(1);
        let mut places = Self { rows, cols, step, y: 0, left: (0..0).step_by(1), mirrored: None };
        places.begin_row();
        places
    }

    fn begin_row(&mut self) {
        let from_border = self.y.min(self.rows.saturating_sub(self.y + 1));
        let first = (self.step - 3 * from_border % self.step) % self.step;
        self.left = (first..self.cols.div_ceil(2).max(first)).step_by(self.step);
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if let Some(place) = self.mirrored.take() {
            return Some(place);
        }
        while self.y < self.rows {
            if let Some(x) = self.left.next() {
                let (row, other) = (self.y * self.cols, self.cols - 1 - x);
                self.mirrored = (other != x).then_some(row + other);
                return Some(row + x);
            }
            self.y += 1;
            self.begin_row();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{ENOUGH, Places};
    use std::collections::BTreeSet;

    #[test]
    fn of_a_small_image_all_pixels() {
        for (rows, cols) in [(1, 1), (1, 7), (7, 1), (4, 5), (0, 3), (3, 0)] {
            let places: BTreeSet<_> = Places::new(rows, cols).collect();
            assert_eq!(places, (0..rows * cols).collect());
            assert_eq!(Places::new(rows, cols).count(), places.len());
        }
    }

    #[test]
    fn of_a_large_image_a_part_that_turning_does_not_change() {
        for (rows, cols) in [(1024, 1032), (401, 999), (3, 500_000)] {
            let places: BTreeSet<_> = Places::new(rows, cols).collect();
            assert!(places.len() > ENOUGH / 2 && places.len() < 2 * ENOUGH, "{}", places.len());
            let turned = places.iter().map(|&at| (rows - 1 - at / cols) * cols + at % cols);
            assert_eq!(turned.collect::<BTreeSet<_>>(), places);
            let mirrored = places.iter().map(|&at| at / cols * cols + cols - 1 - at % cols);
            assert_eq!(mirrored.collect::<BTreeSet<_>>(), places);
        }
    }
}

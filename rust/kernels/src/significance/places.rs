//! Pixels from which properties of a whole image are measured.

use std::ops::Range;

/// Pixels that are enough: a median of so many is known to 1 %.
const ENOUGH: usize = 1 << 14;

/// Adjacent pixels of a run: many, because the first ones take longest to read.
const RUN: usize = 64;

/// Runs of adjacent pixels, evenly spread over an image, with about `ENOUGH` pixels; all pixels if
/// these are few.
///
/// They hold the same pixels if the image is turned upside down or mirrored. A pixel is used if
/// 3 times its distance from the upper or lower border, plus the number of its run from the left or
/// right border, is a multiple of a step.
pub(super) fn runs(rows: usize, cols: usize) -> impl Iterator<Item = Range<usize>> {
    let step = rows.saturating_mul(cols).div_ceil(ENOUGH).max(1);
    let half = cols.div_ceil(2);
    let rows = if cols == 0 { 0 } else { rows }; // a view may have any number of empty rows
    (0..rows).flat_map(move |y| {
        let from_border = 3 * y.min(rows - 1 - y);
        let first = (step - from_border % step) % step;
        let left = (first..half.div_ceil(RUN)).step_by(step).map(move |run| {
            let start = run * RUN;
            start..half.min(start + RUN)
        });
        left.flat_map(move |left| {
            let middle = cols - half; // the middle column of an odd number is on the left only
            let right = cols - left.end.min(middle)..cols - left.start.min(middle);
            [left, right].map(|run| y * cols + run.start..y * cols + run.end)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{ENOUGH, runs};
    use std::collections::BTreeSet;

    fn places(rows: usize, cols: usize) -> BTreeSet<usize> {
        let all: Vec<_> = runs(rows, cols).flatten().collect();
        let different: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(different.len(), all.len());
        different
    }

    #[test]
    fn of_a_small_image_all_pixels() {
        for (rows, cols) in
            [(1, 1), (1, 7), (7, 1), (4, 5), (3, 64), (2, 33), (0, 3), (3, 0), (usize::MAX, 0)]
        {
            assert_eq!(places(rows, cols), (0..rows * cols).collect());
        }
    }

    #[test]
    fn of_no_columns_none() {
        assert_eq!(runs(usize::MAX, 0).count(), 0);
    }

    #[test]
    fn of_a_large_image_a_part_that_turning_does_not_change() {
        for (rows, cols) in [(1024, 1032), (401, 999), (2048, 2048), (3, 500_001)] {
            let places = places(rows, cols);
            assert!(places.len() > ENOUGH / 2 && places.len() < 2 * ENOUGH, "{}", places.len());
            let turned = places.iter().map(|&at| (rows - 1 - at / cols) * cols + at % cols);
            assert_eq!(turned.collect::<BTreeSet<_>>(), places);
            let mirrored = places.iter().map(|&at| at / cols * cols + cols - 1 - at % cols);
            assert_eq!(mirrored.collect::<BTreeSet<_>>(), places);
        }
    }
}

//! Selection networks equal the double heap, on images large enough to fill vectors.

#[allow(dead_code)]
mod naive;

use badpix_selfcal_kernels::median::{Method, Reach};
use badpix_selfcal_kernels::{Edge, Error, Image, Median};
use naive::{edge, reach, same};
use proptest::prelude::*;

/// Noise with NaNs in groups: a group has `group` samples on average, and `nan` of 8 groups are
/// NaN.
#[allow(clippy::cast_precision_loss)] // 16 bits
fn noise(count: usize, seed: u64, nan: u64, group: u64) -> Vec<f64> {
    let mut state = seed;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 48
    };
    let mut valid = true;
    let mut next = |_| {
        if random() % group == 0 {
            valid = random() % 8 >= nan;
        }
        if valid { random() as f64 / 64.0 - 512.0 } else { f64::NAN }
    };
    (0..count).map(&mut next).collect()
}

/// Whether both kernels have the same medians, in both precisions.
fn are_equal(samples: &[f64], (rows, cols): (usize, usize), median: Median) -> Result<bool, Error> {
    #[allow(clippy::cast_possible_truncation)]
    let singles: Vec<f32> = samples.iter().map(|&sample| sample as f32).collect();
    let (doubles, singles) = (Image::new(samples, rows, cols)?, Image::new(&singles, rows, cols)?);
    let (heap, network) = (median.method(Method::Heap), median.method(Method::Network));
    let wide = |medians: Vec<f32>| medians.into_iter().map(f64::from).collect::<Vec<_>>();
    Ok(same(&network.medians(doubles)?, &heap.medians(doubles)?)
        && same(&wide(network.medians(singles)?), &wide(heap.medians(singles)?)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn many_lines(
        (rows, cols) in (1usize..200, 1usize..200),
        reach in prop_oneof![reach(40), reach(140)],
        (nan, group) in (0u64..8, 1u64..60),
        edge in edge(),
        seed in any::<u64>(),
    ) {
        let samples = noise(rows * cols, seed, nan, group);
        let one = Reach::default();
        for (height, width) in [(reach, one), (one, reach)] {
            let median = Median::reaching(height, width).edge(edge);
            prop_assert!(are_equal(&samples, (rows, cols), median).unwrap());
        }
    }

    #[test]
    fn a_few_long_lines(
        (lines, length) in (1usize..5, 1usize..5000),
        reach in prop_oneof![reach(40), reach(600)],
        (nan, group) in (0u64..9, 1u64..60),
        edge in edge(),
        seed in any::<u64>(),
    ) {
        let samples = noise(lines * length, seed, nan, group);
        let one = Reach::default();
        let rows = Median::reaching(one, reach).edge(edge);
        prop_assert!(are_equal(&samples, (lines, length), rows).unwrap());
        let columns = Median::reaching(reach, one).edge(edge);
        prop_assert!(are_equal(&samples, (length, lines), columns).unwrap());
    }

    #[test]
    fn rectangles(
        (rows, cols) in (1usize..100, 1usize..150),
        (height, width) in prop_oneof![(reach(10), reach(10)), (reach(20), reach(20))],
        (nan, group) in (0u64..9, 1u64..60),
        edge in edge(),
        seed in any::<u64>(),
    ) {
        let samples = noise(rows * cols, seed, nan, group);
        let median = Median::reaching(height, width).edge(edge);
        prop_assert!(are_equal(&samples, (rows, cols), median).unwrap());
    }
}

/// Each window with code of its own, on lines of which the last tile is not full.
#[test]
fn every_short_window() {
    let samples = noise(300 * 37, 5, 2, 6);
    for length in 1..40 {
        for edge in [Edge::Shrink, Edge::Mirror] {
            let after = length / 3;
            let reach = Reach { before: length - 1 - after, after };
            let one = Reach::default();
            for (height, width) in [(reach, one), (one, reach)] {
                let median = Median::reaching(height, width).edge(edge);
                assert!(are_equal(&samples, (37, 300), median).unwrap(), "{length} {edge:?}");
            }
        }
    }
}

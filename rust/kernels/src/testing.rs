//! What the tests of several modules need.

use crate::instructions::arch;
use crate::{Edge, Image, Median, Method, Sample};
use pulp::{Scalar, Simd, WithSimd};

/// The results of an operation with each instruction set of this machine, and without any.
pub(crate) fn with_each<O: WithSimd>(operation: impl Fn() -> O) -> Vec<O::Output> {
    let mut results = vec![arch().dispatch(operation())];
    results.push(Scalar::new().vectorize(operation()));
    results.push(pulp::Scalar128b.vectorize(operation()));
    #[cfg(target_arch = "x86_64")]
    results.extend(pulp::x86::V3::try_new().map(|simd| Simd::vectorize(simd, operation())));
    results
}

/// Samples of which many are missing, infinite, or of the greatest magnitude: in some stretches
/// nearly all, in others few.
pub(crate) fn special_samples<T: Sample>(greatest: T, count: usize, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) % below
    };
    let mut rare = 1;
    let mut next = |number: usize| {
        if number.is_multiple_of(50) {
            rare = 1 + random(8);
        }
        match random(6 * rare) {
            0 | 1 => T::NAN,
            2 => T::INFINITY,
            3 => T::ZERO - T::INFINITY,
            4 => greatest,
            5 => T::ZERO - greatest,
            _ => T::from(i16::try_from(random(41)).unwrap_or(0) - 20),
        }
    };
    (0..count).map(&mut next).collect()
}

/// Whether medians are equal, or both NaN.
pub(crate) fn are_same<T: Sample>(ours: &[T], others: &[T]) -> bool {
    let same = |(&a, &b): (&T, &T)| a == b || a.is_nan() && b.is_nan();
    ours.len() == others.len() && ours.iter().zip(others).all(same)
}

/// Checks the medians of a kernel: those of special images, for many edges, with
/// each instruction set, against those of the double heap.
///
/// `medians` are those of the samples or of their magnitudes. `widths` are those of the images.
pub(crate) fn assert_equal_to_the_heap<T: Sample>(
    median: Median,
    greatest: T,
    widths: impl IntoIterator<Item = usize>,
    medians: impl Fn(Image<'_, T>, Edge, bool) -> Vec<Vec<T>>,
) {
    const ROWS: usize = 7;
    let edges = [
        (Edge::Zero, false),
        (Edge::Shrink, false),
        (Edge::Shrink, true),
        (Edge::Constant(-2.0), false),
        (Edge::Reflect, false),
        (Edge::Reflect, true),
        (Edge::Mirror, false),
        (Edge::Wrap, true),
    ];
    for cols in widths {
        let samples = special_samples(greatest, ROWS * cols, cols as u64);
        let magnitudes: Vec<_> = samples.iter().map(|sample| sample.magnitude()).collect();
        for (edge, of_magnitudes) in edges {
            let all = if of_magnitudes { &magnitudes } else { &samples };
            let by_heap = median.edge(edge).method(Method::Heap);
            let heap = by_heap.medians(Image::new(all, ROWS, cols).unwrap()).unwrap();
            let image = Image::new(&samples, ROWS, cols).unwrap();
            for ours in medians(image, edge, of_magnitudes) {
                assert!(are_same(&ours, &heap), "{cols} {edge:?} {of_magnitudes}");
            }
        }
    }
}

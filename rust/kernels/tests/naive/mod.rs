//! The running median by its definition, written out, and what the tests draw.

use badpix_selfcal_kernels::median::{Method, Reach};
use badpix_selfcal_kernels::{Edge, Image};
use proptest::prelude::*;

/// The median of the samples that are not NaN; NaN if there are none.
pub fn median_of(mut samples: Vec<f64>) -> f64 {
    samples.retain(|sample| !sample.is_nan());
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => samples[n / 2],
        n => samples[n / 2 - 1].midpoint(samples[n / 2]),
    }
}

/// The samples of a line from `before` places before it to `after` places after it.
fn extended(line: &[f64], reach: Reach, edge: Edge) -> Vec<f64> {
    let (first, n) = (-reach.before.cast_signed(), line.len().cast_signed());
    let last = n + reach.after.cast_signed();
    let at = |index: isize| line[index.cast_unsigned()];
    let sample = |index: isize| match edge {
        _ if (0..n).contains(&index) => at(index),
        Edge::Zero => 0.0,
        Edge::Constant(value) => value,
        Edge::Shrink => f64::NAN,
        Edge::Nearest => at(index.clamp(0, n - 1)),
        Edge::Wrap => at(index.rem_euclid(n)),
        Edge::Reflect | Edge::Mirror => {
            // Steps back and forth along the line.
            let there = (0..n).collect::<Vec<_>>();
            let ends = if edge == Edge::Reflect { 0 } else { usize::from(n > 1) };
            let back = there.iter().rev().skip(ends).take(there.len() - 2 * ends.min(1)).copied();
            let path: Vec<_> = there.iter().copied().chain(back).collect();
            let period = if n == 1 { 1 } else { path.len().cast_signed() };
            at(path[index.rem_euclid(period).cast_unsigned()])
        }
    };
    (first..last).map(sample).collect()
}

/// The running median with at least `least` valid samples in each window.
pub fn running(
    image: Image<'_, f64>,
    height: Reach,
    width: Reach,
    edge: Edge,
    least: usize,
) -> Vec<f64> {
    let (rows, cols) = (image.rows(), image.cols());
    let wide: Vec<_> = (0..rows).map(|y| extended(image.row(y), width, edge)).collect();
    let column = |x| wide.iter().map(|row| row[x]).collect::<Vec<_>>();
    let columns: Vec<_> =
        (0..cols + width.len() - 1).map(|x| extended(&column(x), height, edge)).collect();
    let window = |y: usize, x: usize| {
        let window = columns[x..x + width.len()].iter();
        let samples: Vec<_> =
            window.flat_map(|column| &column[y..y + height.len()]).copied().collect();
        let valid = samples.iter().filter(|sample| !sample.is_nan()).count();
        if valid < least { f64::NAN } else { median_of(samples) }
    };
    (0..rows).flat_map(|y| (0..cols).map(move |x| (y, x))).map(|(y, x)| window(y, x)).collect()
}

pub fn same(ours: &[f64], naive: &[f64]) -> bool {
    ours.len() == naive.len()
        && ours.iter().zip(naive).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

pub fn sample() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0f64,
        3 => (-3i8..4).prop_map(f64::from),
        2 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX)],
    ]
}

pub fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![
        Just(Edge::Zero),
        Just(Edge::Shrink),
        sample().prop_map(Edge::Constant),
        Just(Edge::Nearest),
        Just(Edge::Reflect),
        Just(Edge::Mirror),
        Just(Edge::Wrap),
    ]
}

pub fn method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::Auto), Just(Method::Heap), Just(Method::Network)]
}

/// A window of up to `most` samples, at any place around the pixel that it belongs to.
pub fn reach(most: usize) -> impl Strategy<Value = Reach> {
    (1..=most).prop_flat_map(|length| {
        (0..length).prop_map(move |before| Reach { before, after: length - 1 - before })
    })
}

/// An image of up to so many rows and columns.
pub fn image(rows: usize, cols: usize) -> impl Strategy<Value = (Vec<f64>, usize, usize)> {
    (1..=rows, 1..=cols).prop_flat_map(|(rows, cols)| {
        (prop::collection::vec(sample(), rows * cols), Just(rows), Just(cols))
    })
}

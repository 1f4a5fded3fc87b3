//! Windows that extend farther to one side than to the other equal their definition, written out.

use badpix_selfcal_kernels::median::{Method, Reach, reaching, rectangle};
use badpix_selfcal_kernels::{Edge, Error, Image, Window};
use proptest::prelude::*;

fn naive_median(mut samples: Vec<f64>) -> f64 {
    samples.retain(|sample| !sample.is_nan());
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => samples[n / 2],
        n => samples[n / 2 - 1].midpoint(samples[n / 2]),
    }
}

fn naive(image: Image<'_, f64>, height: Reach, width: Reach, edge: Edge) -> Vec<f64> {
    let window = |y: usize, x: usize| {
        let mut samples = Vec::new();
        for v in y..y + height.len() {
            for u in x..x + width.len() {
                let row = v.checked_sub(height.before).map(|v| image.row(v));
                match (row, u.checked_sub(width.before)) {
                    (Some(row), Some(u)) if u < row.len() => samples.push(row[u]),
                    _ if edge == Edge::Zero => samples.push(0.0),
                    _ => {}
                }
            }
        }
        naive_median(samples)
    };
    let rows = 0..image.rows();
    rows.flat_map(|y| (0..image.cols()).map(move |x| (y, x))).map(|(y, x)| window(y, x)).collect()
}

fn same(ours: &[f64], naive: &[f64]) -> bool {
    ours.len() == naive.len()
        && ours.iter().zip(naive).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

fn sample() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0f64,
        3 => (-3i8..4).prop_map(f64::from),
        2 => Just(f64::NAN),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX)],
    ]
}

fn image() -> impl Strategy<Value = (Vec<f64>, usize, usize)> {
    (1usize..9, 1usize..12).prop_flat_map(|(rows, cols)| {
        (prop::collection::vec(sample(), rows * cols), Just(rows), Just(cols))
    })
}

fn reach() -> impl Strategy<Value = Reach> {
    (0usize..30, 0usize..30, 0u8..3).prop_map(|(before, after, kind)| match kind {
        0 => Reach { before, after },
        1 => Reach { before: before % 4, after: after % 4 },
        _ => Reach::default(),
    })
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Zero), Just(Edge::Shrink)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn windows_of_any_reach(
        (samples, rows, cols) in image(), height in reach(), width in reach(), edge in edge()
    ) {
        let image = Image::new(&samples, rows, cols).unwrap();
        let ours = reaching(image, height, width, edge).unwrap();
        prop_assert!(same(&ours, &naive(image, height, width, edge)));
    }

    #[test]
    fn windows_with_a_middle(
        (samples, rows, cols) in image(), half_y in 0usize..12, half_x in 0usize..12, edge in edge()
    ) {
        let image = Image::new(&samples, rows, cols).unwrap();
        let [height, width] = [half_y, half_x].map(|half| Window::new(2 * half + 1).unwrap());
        let ours = reaching(image, height.into(), width.into(), edge).unwrap();
        prop_assert!(same(&ours, &rectangle(image, height, width, edge, Method::Auto).unwrap()));
    }
}

#[test]
fn reaches_beyond_all_bounds() {
    let samples = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let image = Image::new(&samples, 2, 3).unwrap();
    let far = Reach { before: usize::MAX, after: usize::MAX };
    assert_eq!(far.len(), usize::MAX);
    assert_eq!(reaching(image, far, far, Edge::Zero).unwrap(), [0.0; 6]);
    assert_eq!(reaching(image, far, far, Edge::Shrink).unwrap(), [3.5; 6]);
    let causal = Reach { before: usize::MAX, after: 0 };
    let medians = reaching(image, Reach::default(), causal, Edge::Shrink).unwrap();
    assert_eq!(medians, [1.0, 1.5, 2.0, 4.0, 4.5, 5.0]);
}

#[test]
fn empty_images() {
    let far = Reach { before: usize::MAX, after: 1 };
    for (rows, cols) in [(0, 0), (0, 5), (5, 0)] {
        let image = Image::<f32>::new(&[], rows, cols).unwrap();
        for reach in [far, Reach::default()] {
            assert!(reaching(image, far, reach, Edge::Zero).unwrap().is_empty());
        }
    }
}

#[test]
fn windows_that_are_too_large() {
    let samples = vec![0.0f32; 1 << 16];
    let image = Image::new(&samples, 1 << 15, 2).unwrap();
    let far = Reach { before: usize::MAX, after: usize::MAX };
    assert!(reaching(image, far, Reach::default(), Edge::Zero).is_ok());
    let large = vec![0.0f32; 1 << 27];
    let image = Image::new(&large, 1 << 14, 1 << 13).unwrap();
    let error = reaching(image, far, far, Edge::Zero).unwrap_err();
    assert!(matches!(error, Error::WindowTooLarge { rows: 65_537, cols: 32_769 }));
}

//! Every running median equals its definition, written out.

use badpix_selfcal_kernels::median::{Method, along, line, rectangle};
use badpix_selfcal_kernels::{Axis, Edge, Error, Image, RunningMedian, Sample, Window};
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

fn naive_rectangle(
    image: &[f64],
    shape: (usize, usize),
    k: (usize, usize),
    edge: Edge,
) -> Vec<f64> {
    let (rows, cols) = (shape.0.cast_signed(), shape.1.cast_signed());
    let (half_y, half_x) = ((k.0 / 2).cast_signed(), (k.1 / 2).cast_signed());
    let window = |y: isize, x: isize| {
        let mut samples = Vec::new();
        for v in y - half_y..=y + half_y {
            for u in x - half_x..=x + half_x {
                if (0..rows).contains(&v) && (0..cols).contains(&u) {
                    samples.push(image[(v * cols + u).cast_unsigned()]);
                } else if edge == Edge::Zero {
                    samples.push(0.0);
                }
            }
        }
        naive_median(samples)
    };
    (0..rows * cols).map(|i| window(i / cols, i % cols)).collect()
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

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![Just(Edge::Zero), Just(Edge::Shrink)]
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![Just(Method::Auto), Just(Method::Heap), Just(Method::Network)]
}

fn image() -> impl Strategy<Value = (Vec<f64>, usize, usize)> {
    (1usize..9, 1usize..24).prop_flat_map(|(rows, cols)| {
        (prop::collection::vec(sample(), rows * cols), Just(rows), Just(cols))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn windows_of_one_line((samples, rows, cols) in image(), half in 0usize..30, edge in edge(), method in method()) {
        let image = Image::new(&samples, rows, cols).unwrap();
        let window = Window::new(2 * half + 1).unwrap();
        for (axis, k) in [(Axis::Y, (window.len(), 1)), (Axis::X, (1, window.len()))] {
            let ours = along(image, axis, window, edge, method).unwrap();
            prop_assert!(same(&ours, &naive_rectangle(&samples, (rows, cols), k, edge)));
        }
    }

    #[test]
    fn rectangular_windows(
        (samples, rows, cols) in image(), half_y in 0usize..8, half_x in 0usize..8, edge in edge()
    ) {
        let image = Image::new(&samples, rows, cols).unwrap();
        let k = (2 * half_y + 1, 2 * half_x + 1);
        let (height, width) = (Window::new(k.0).unwrap(), Window::new(k.1).unwrap());
        let ours = rectangle(image, height, width, edge, Method::Auto).unwrap();
        prop_assert!(same(&ours, &naive_rectangle(&samples, (rows, cols), k, edge)));
    }

    #[test]
    fn single_precision(samples in prop::collection::vec(-1e30f32..1e30, 1..50), half in 0usize..9) {
        let window = Window::new(2 * half + 1).unwrap();
        let wide: Vec<f64> = samples.iter().copied().map(f64::from).collect();
        let ours = line(&samples, window, Edge::Shrink).unwrap();
        let exact = line(&wide, window, Edge::Shrink).unwrap();
        for (ours, exact) in ours.iter().zip(exact) {
            // In double precision the sum of two singles is exact enough to be rounded once.
            #[allow(clippy::cast_possible_truncation)]
            let rounded = exact as f32;
            prop_assert_eq!(*ours, rounded);
        }
    }

    #[test]
    fn a_stream_pushed_and_popped(
        capacity in 0usize..12, steps in prop::collection::vec(prop::option::of(sample()), 0..80)
    ) {
        let mut median = RunningMedian::new(capacity).unwrap();
        let mut window = std::collections::VecDeque::new();
        for step in steps {
            if let Some(sample) = step {
                median.push(sample);
                window.push_back(sample);
            } else {
                median.pop_oldest();
            }
            if step.is_none() || window.len() > capacity {
                window.pop_front();
            }
            prop_assert_eq!(median.len(), window.len());
            prop_assert_eq!(median.is_empty(), window.is_empty());
            let naive = naive_median(window.iter().copied().collect());
            prop_assert!(same(&[median.median()], &[naive]));
        }
        median.clear();
        prop_assert!(Sample::is_nan(median.median()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_network_equals_the_double_heap(
        (rows, cols) in (1usize..200, 1usize..200),
        half in prop_oneof![1usize..20, 1usize..70],
        (nan, group) in (0u64..8, 1u64..60),
        edge in edge(),
        seed in any::<u64>(),
    ) {
        let samples = noise(rows * cols, seed, nan, group);
        #[allow(clippy::cast_possible_truncation)]
        let singles: Vec<f32> = samples.iter().map(|&sample| sample as f32).collect();
        let window = Window::new(2 * half + 1).unwrap();
        for axis in [Axis::X, Axis::Y] {
            let image = Image::new(&samples, rows, cols).unwrap();
            let [heap, network] = [Method::Heap, Method::Network]
                .map(|method| along(image, axis, window, edge, method).unwrap());
            prop_assert!(same(&network, &heap));
            let image = Image::new(&singles, rows, cols).unwrap();
            let [heap, network] = [Method::Heap, Method::Network].map(|method| {
                let medians = along(image, axis, window, edge, method).unwrap();
                medians.into_iter().map(f64::from).collect::<Vec<_>>()
            });
            prop_assert!(same(&network, &heap));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_network_of_a_few_long_lines_equals_the_double_heap(
        (lines, length) in (1usize..5, 1usize..5000),
        half in prop_oneof![1usize..20, 1usize..300],
        (nan, group) in (0u64..9, 1u64..60),
        edge in edge(),
        seed in any::<u64>(),
    ) {
        let samples = noise(lines * length, seed, nan, group);
        let window = Window::new(2 * half + 1).unwrap();
        for (axis, rows, cols) in [(Axis::X, lines, length), (Axis::Y, length, lines)] {
            let image = Image::new(&samples, rows, cols).unwrap();
            let [heap, network] = [Method::Heap, Method::Network]
                .map(|method| along(image, axis, window, edge, method).unwrap());
            prop_assert!(same(&network, &heap));
        }
    }

    #[test]
    fn the_network_of_a_rectangle_equals_the_double_heap(
        (rows, cols) in (1usize..100, 1usize..150),
        (half_y, half_x) in prop_oneof![(1usize..5, 1usize..5), (0usize..10, 0usize..10)],
        (nan, group) in (0u64..9, 1u64..60),
        edge in edge(),
        seed in any::<u64>(),
    ) {
        let samples = noise(rows * cols, seed, nan, group);
        #[allow(clippy::cast_possible_truncation)]
        let singles: Vec<f32> = samples.iter().map(|&sample| sample as f32).collect();
        let (height, width) = (Window::new(2 * half_y + 1).unwrap(), Window::new(2 * half_x + 1).unwrap());
        let image = Image::new(&samples, rows, cols).unwrap();
        let [heap, network] = [Method::Heap, Method::Network]
            .map(|method| rectangle(image, height, width, edge, method).unwrap());
        prop_assert!(same(&network, &heap));
        let image = Image::new(&singles, rows, cols).unwrap();
        let [heap, network] = [Method::Heap, Method::Network].map(|method| {
            let medians = rectangle(image, height, width, edge, method).unwrap();
            medians.into_iter().map(f64::from).collect::<Vec<_>>()
        });
        prop_assert!(same(&network, &heap));
    }
}

#[test]
#[allow(clippy::cast_precision_loss)] // small integers
fn results_do_not_depend_on_the_number_of_threads() {
    let samples: Vec<f32> = (0u32..90_000).map(|i| (i * 7919 % 1013) as f32 / 7.0).collect();
    let image = Image::new(&samples, 900, 100).unwrap();
    let window = Window::new(15).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let columns = along(image, Axis::Y, window, Edge::Zero, Method::Auto).unwrap();
            let rows = along(image, Axis::X, window, Edge::Zero, Method::Auto).unwrap();
            (
                columns,
                rows,
                rectangle(image, window, Window::new(3).unwrap(), Edge::Shrink, Method::Auto)
                    .unwrap(),
            )
        })
    };
    let single = run(1);
    assert_eq!(single, run(2));
    assert_eq!(single, run(5));
}

#[test]
fn a_window_far_longer_than_the_line_costs_no_more_than_the_line() {
    let window = Window::new(usize::MAX).unwrap();
    assert_eq!(line(&[1.0f32, 2.0, 4.0], window, Edge::Zero).unwrap(), [0.0; 3]);
    assert_eq!(line(&[1.0f32, 2.0, 4.0], window, Edge::Shrink).unwrap(), [2.0; 3]);
}

#[test]
fn no_samples() {
    let window = Window::new(3).unwrap();
    for (rows, cols) in [(0, 0), (0, 4), (4, 0)] {
        let image = Image::<f64>::new(&[], rows, cols).unwrap();
        assert!(along(image, Axis::Y, window, Edge::Zero, Method::Auto).unwrap().is_empty());
        assert!(along(image, Axis::X, window, Edge::Zero, Method::Auto).unwrap().is_empty());
        assert!(rectangle(image, window, window, Edge::Zero, Method::Auto).unwrap().is_empty());
    }
}

#[test]
fn a_window_without_a_middle_is_refused() {
    assert_eq!(Window::new(14), Err(Error::EvenWindow(14)));
    assert_eq!(Window::new(0), Err(Error::EvenWindow(0)));
    assert_eq!(Error::EvenWindow(14).to_string(), "kernel_size must be odd, got 14");
    assert!(RunningMedian::<f32>::new(1 << 31).is_err());
}

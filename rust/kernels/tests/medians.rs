//! Every running median equals its definition, written out.

mod naive;

use badpix_selfcal_kernels::median::{Method, Reach};
use badpix_selfcal_kernels::{Axis, Edge, Error, Image, Median, RunningMedian, Sample};
use naive::{edge, image, median_of, method, reach, running, same, sample};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn windows_of_one_line(
        (samples, rows, cols) in image(8, 23),
        reach in reach(60),
        edge in edge(),
        method in method(),
        least in 0usize..20,
    ) {
        let image = Image::new(&samples, rows, cols).unwrap();
        let one = Reach::default();
        for (height, width) in [(reach, one), (one, reach)] {
            let median = Median::reaching(height, width).edge(edge).method(method);
            let ours = median.min_count(least).medians(image).unwrap();
            prop_assert!(same(&ours, &running(image, height, width, edge, least)));
        }
    }

    #[test]
    fn rectangular_windows(
        (samples, rows, cols) in image(8, 23),
        (height, width) in (reach(16), reach(16)),
        edge in edge(),
        method in method(),
        least in 0usize..20,
    ) {
        let image = Image::new(&samples, rows, cols).unwrap();
        let median = Median::reaching(height, width).edge(edge).method(method).min_count(least);
        let ours = median.medians(image).unwrap();
        prop_assert!(same(&ours, &running(image, height, width, edge, least)));
    }

    #[test]
    fn a_window_is_centred_and_shifted(length in 1usize..40, at in 0usize..40) {
        let at = (at % length).cast_signed();
        let origin = (length / 2).cast_signed() - at;
        let samples: Vec<_> = (0i8..100).map(f64::from).collect();
        let image = Image::new(&samples, 1, 100).unwrap();
        let median = Median::along(Axis::X, length).edge(Edge::Shrink);
        let after = at.cast_unsigned();
        let reach = Reach { before: length - 1 - after, after };
        let moved = median.origin(origin - isize::from(length % 2 == 0)).medians(image).unwrap();
        let expected = running(image, Reach::default(), reach, Edge::Shrink, 1);
        prop_assert!(same(&moved, &expected), "{reach:?}");
    }

    #[test]
    fn single_precision(
        samples in prop::collection::vec(-1e30f32..1e30, 1..50), length in 1usize..19
    ) {
        let median = Median::along(Axis::X, length).edge(Edge::Shrink);
        let wide: Vec<f64> = samples.iter().copied().map(f64::from).collect();
        let ours = median.medians(Image::new(&samples, 1, samples.len()).unwrap()).unwrap();
        let exact = median.medians(Image::new(&wide, 1, samples.len()).unwrap()).unwrap();
        for (ours, exact) in ours.iter().zip(exact) {
            // In double precision the sum of two singles is exact enough to be rounded once.
            #[allow(clippy::cast_possible_truncation)]
            let rounded = exact as f32;
            prop_assert_eq!(*ours, rounded);
        }
    }

    #[test]
    fn deviations_from_the_running_median(
        (samples, rows, cols) in image(8, 23),
        (height, width) in (reach(8), reach(8)),
        edge in edge(),
    ) {
        let image = Image::new(&samples, rows, cols).unwrap();
        let median = Median::reaching(height, width).edge(edge);
        let mut ours = vec![0.0; samples.len()];
        median.run_deviation(image, &mut ours).unwrap();
        let medians = running(image, height, width, edge, 1);
        let deviations: Vec<_> = samples.iter().zip(medians).map(|(x, m)| (x - m).abs()).collect();
        let image = Image::new(&deviations, rows, cols).unwrap();
        prop_assert!(same(&ours, &running(image, height, width, edge, 1)));
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
            let naive = median_of(window.iter().copied().collect());
            prop_assert!(same(&[median.median()], &[naive]));
        }
        median.clear();
        prop_assert!(Sample::is_nan(median.median()));
    }
}

#[test]
#[allow(clippy::cast_precision_loss)] // small integers
fn results_do_not_depend_on_the_number_of_threads() {
    let samples: Vec<f32> = (0u32..90_000).map(|i| (i * 7919 % 1013) as f32 / 7.0).collect();
    let image = Image::new(&samples, 900, 100).unwrap();
    let windows = [
        Median::along(Axis::Y, 15),
        Median::along(Axis::X, 16).edge(Edge::Wrap),
        Median::rectangle(15, 3).edge(Edge::Shrink).min_count(9),
    ];
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| windows.map(|median| median.medians(image).unwrap()))
    };
    let single = run(1);
    assert_eq!(single, run(2));
    assert_eq!(single, run(5));
}

#[test]
fn a_window_far_longer_than_the_line_costs_no_more_than_the_line() {
    let image = Image::new(&[1.0f32, 2.0, 4.0], 1, 3).unwrap();
    let far = Reach { before: usize::MAX, after: usize::MAX };
    assert_eq!(far.len(), usize::MAX);
    let causal = Reach { before: usize::MAX, after: 0 };
    let run = |reach, edge, least| {
        let median = Median::reaching(Reach::default(), reach).edge(edge);
        median.min_count(least).medians(image).unwrap()
    };
    assert_eq!(run(far, Edge::Zero, 1_000_000), [0.0; 3]);
    assert_eq!(run(far, Edge::Constant(7.0), 1), [7.0; 3]);
    assert_eq!(run(far, Edge::Shrink, 3), [2.0; 3]);
    assert!(run(far, Edge::Shrink, 4).iter().all(|median| median.is_nan()));
    assert_eq!(run(causal, Edge::Shrink, 1), [1.0, 1.5, 2.0]);
    assert_eq!(Median::along(Axis::X, usize::MAX).medians(image).unwrap(), [0.0; 3]);
}

#[test]
fn windows_that_are_too_large() {
    let samples = [0.0f32; 6];
    let image = Image::new(&samples, 2, 3).unwrap();
    let median = Median::rectangle(1 << 16, 1 << 16).edge(Edge::Reflect);
    let error = Error::WindowTooLarge { rows: 1 << 16, cols: 1 << 16 };
    assert_eq!(median.medians(image), Err(error));
    assert!(median.edge(Edge::Zero).medians(image).is_ok());
}

#[test]
fn no_samples() {
    for (rows, cols) in [(0, 0), (0, 4), (4, 0)] {
        let image = Image::<f64>::new(&[], rows, cols).unwrap();
        for edge in [Edge::Zero, Edge::Nearest, Edge::Reflect, Edge::Mirror, Edge::Wrap] {
            let lines = [Axis::Y, Axis::X].map(|axis| Median::along(axis, 3));
            for median in lines.into_iter().chain([Median::rectangle(3, 3)]) {
                let median = median.edge(edge).min_count(2);
                assert!(median.medians(image).unwrap().is_empty());
            }
        }
    }
}

#[test]
fn windows_that_are_none() {
    let image = Image::new(&[1.0f32], 1, 1).unwrap();
    let lines = |window| Median::along(Axis::X, window);
    assert_eq!(lines(0).medians(image), Err(Error::EmptyWindow));
    assert_eq!(Median::rectangle(3, 0).kernel(9, 9), Err(Error::EmptyWindow));
    let origin = |window, origin| lines(window).origin(origin).medians(image);
    assert!(origin(4, -2).is_ok() && origin(4, 1).is_ok() && origin(5, 2).is_ok());
    let wrong = |origin| Err(Error::Origin { origin, before: 2, after: 1 });
    assert_eq!((origin(4, 2), origin(4, -3)), (wrong(2), wrong(-3)));
    assert!(origin(usize::MAX, isize::MIN).is_err());
    let said = origin(4, 2).unwrap_err().to_string();
    assert_eq!(said, "the origin of this window must be from -2 to 1, got 2");
    assert_eq!(Error::EvenWindow(14).to_string(), "the length of the window must be odd, got 14");
    assert!(RunningMedian::<f32>::new(1 << 31).is_err());
}

#[test]
fn medians_are_written_only_where_they_fit() {
    let image = Image::new(&[1.0f32, 2.0], 1, 2).unwrap();
    let mut out = [5.0; 3];
    let error = Error::Output { len: 3, rows: 1, cols: 2 };
    assert_eq!(error.to_string(), "out has 3 samples, the image 1 x 2");
    assert_eq!(Median::along(Axis::X, 3).run(image, &mut out), Err(error));
    assert_eq!(out, [5.0; 3]);
}

#[test]
fn the_kernel_can_be_chosen() {
    let image = Image::new(&[3.0f64, 1.0, 2.0], 1, 3).unwrap();
    for method in [Method::Auto, Method::Heap, Method::Network] {
        let median = Median::along(Axis::X, 2).edge(Edge::Nearest).method(method);
        assert_eq!(median.medians(image).unwrap(), [3.0, 2.0, 1.5]);
    }
}

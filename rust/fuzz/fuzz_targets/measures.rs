//! Percentiles, pedestals, minimum images, means of errors and both cuts: equal to what is written
//! out, or to the same with one thread.
#![no_main]

use badpix_selfcal_fuzz::{Input, assert_same, doubles, naive_median, same, singles};
use badpix_selfcal_kernels::{
    Axis, Edge, Image, Median, Method, Region, Sample, Stored, Swapped, mean, minimum, outliers,
    pedestal, percentile, significance,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    match input.byte() % 8 {
        0 => swapped(&mut input),
        kind if kind % 2 == 0 => attempt(&mut input, singles, kind),
        kind => attempt(&mut input, doubles, kind),
    }
});

/// Singles in the other byte order have the same results.
fn swapped(input: &mut Input<'_>) {
    let (rows, cols) = input.shape();
    let samples = singles(input, rows * cols);
    let bits: Vec<u32> = samples.iter().map(|sample| sample.to_bits().swap_bytes()).collect();
    let stored = Swapped::<f32>::view(&bits);
    let level = f32::from(input.byte());
    assert_same(&folded(stored, level), &folded(&samples, level), "swapped");
    let mask: Vec<bool> = samples.iter().map(|_| input.byte() % 2 == 0).collect();
    let [ours, theirs] = [
        pedestal::in_mask(Image::new(stored, rows, cols).unwrap(), &mask).unwrap(),
        pedestal::in_mask(Image::new(&samples, rows, cols).unwrap(), &mask).unwrap(),
    ];
    assert!(same(ours, theirs));
}

fn folded<S: Stored>(exposure: &[S], level: S::Sample) -> Vec<S::Sample> {
    let mut least = vec![S::Sample::NAN; exposure.len()];
    minimum::begin(&mut least, exposure, level).unwrap();
    minimum::fold(&mut least, exposure, level).unwrap();
    least
}

fn attempt<T: Sample + Stored<Sample = T>>(
    input: &mut Input<'_>,
    draw: fn(&mut Input<'_>, usize) -> Vec<T>,
    kind: u8,
) {
    let shape = input.shape();
    let (rows, cols) = shape;
    let samples = draw(input, rows * cols);
    let image = Image::new(&samples, rows, cols).unwrap();
    match kind {
        1 | 2 => percentiles(input, &samples),
        3 => pedestals(input, &samples, image),
        4 => {
            let others = draw(input, rows * cols);
            let level = draw(input, 1)[0];
            minima(&samples, &others, level);
        }
        5 | 6 => cut_fraction(input, &samples, image),
        _ => {
            let errors = draw(input, rows * cols);
            cut_sigma(input, image, Image::new(&errors, rows, cols).unwrap());
        }
    }
}

fn percentiles<T: Sample>(input: &mut Input<'_>, samples: &[T]) {
    let q: Vec<f64> = (0..1 + input.below(12)).map(|_| input.below(1001) as f64 / 10.0).collect();
    let found = percentile::percentiles(samples, &q).unwrap();
    let mut sorted: Vec<T> = samples.iter().copied().filter(|sample| !sample.is_nan()).collect();
    sorted.sort_by(T::order);
    for (&q, &found) in q.iter().zip(&found) {
        let Some(last) = sorted.len().checked_sub(1) else {
            assert!(found.is_nan());
            continue;
        };
        let position = last as f64 * (q / 100.0);
        let below = (position.floor() as usize).min(last);
        let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
        let fraction = if below == last { 0.0 } else { position - below as f64 };
        let step: f64 = (high - low).into();
        let expected = if fraction >= 0.5 {
            high.into() - step * (1.0 - fraction)
        } else {
            low.into() + step * fraction
        };
        assert!(same(found, expected), "{q}: {found:e} is not {expected:e}");
    }
}

fn pedestals<T: Sample + Stored<Sample = T>>(
    input: &mut Input<'_>,
    samples: &[T],
    image: Image<'_, T>,
) {
    let mask: Vec<bool> = samples.iter().map(|_| input.byte() % 3 > 0).collect();
    let inside = samples.iter().zip(&mask).filter(|each| *each.1).map(|each| *each.0).collect();
    assert!(same(pedestal::in_mask(image, &mask).unwrap(), naive_median(inside)));
    let [y0, y1] = [(); 2].map(|()| input.below(image.rows() + 3));
    let [x0, x1] = [(); 2].map(|()| input.below(image.cols() + 3));
    let inside = (0..samples.len())
        .filter(|at| {
            (y0..y1).contains(&(at / image.cols())) && (x0..x1).contains(&(at % image.cols()))
        })
        .map(|at| samples[at])
        .collect();
    let gap = Region { y0, y1, x0, x1 };
    assert!(same(pedestal::in_region(image, gap).unwrap(), naive_median(inside)));
}

fn minima<T: Sample + Stored<Sample = T>>(samples: &[T], others: &[T], level: T) {
    let mut least = vec![T::ZERO; samples.len()];
    minimum::begin(&mut least, samples, level).unwrap();
    let lowered: Vec<T> = samples.iter().map(|&sample| sample - level).collect();
    assert_same(&least, &lowered, "begin");
    minimum::fold(&mut least, others, level).unwrap();
    let expected: Vec<T> = lowered
        .iter()
        .zip(others)
        .map(|(&one, &other)| match (one, other - level) {
            (one, other) if one.is_nan() => other,
            (one, other) if other.is_nan() || one <= other => one,
            (_, other) => other,
        })
        .collect();
    assert_same(&least, &expected, "fold");
    let (mut sum, mut count) = (vec![0.0; samples.len()], vec![0u32; samples.len()]);
    mean::add(&mut sum, &mut count, &[samples, others]).unwrap();
    for (at, (&sum, &count)) in sum.iter().zip(&count).enumerate() {
        let valid = [samples[at], others[at]]
            .map(Into::<f64>::into)
            .map(|error| if error > 0.0 && error.is_finite() { error } else { 0.0 });
        assert_eq!(count as usize, valid.iter().filter(|error| **error > 0.0).count());
        assert!(same(sum, valid[0] + valid[1]));
    }
}

fn window_of(input: &mut Input<'_>) -> (Option<Axis>, usize, Edge) {
    let dispersion = [Some(Axis::X), Some(Axis::Y), None][input.below(3)];
    let window = input.odd(if dispersion.is_none() { 7 } else { 40 });
    (dispersion, window, input.edge())
}

fn cut_fraction<T: Sample>(input: &mut Input<'_>, samples: &[T], image: Image<'_, T>) {
    let (dispersion, window, edge) = window_of(input);
    let [flagfrac_lower, flagfrac_upper] = [(); 2].map(|()| input.below(501) as f64 / 1000.0);
    let criteria = outliers::Criteria { window, dispersion, flagfrac_lower, flagfrac_upper, edge };
    let found = outliers::find(image, &criteria).unwrap();
    let square = Median::rectangle(window, window);
    let median = dispersion.map_or(square, |axis| Median::along(axis, window));
    let medians = median.edge(edge).method(Method::Heap).medians(image).unwrap();
    let residual: Vec<T> = samples.iter().zip(&medians).map(|(&a, &b)| a - b).collect();
    assert_same(&found.residual, &residual, "residual");
    let finite: Vec<T> = residual.iter().copied().filter(|value| value.is_finite()).collect();
    let q = [flagfrac_lower * 100.0, (1.0 - flagfrac_upper) * 100.0];
    let cuts = percentile::percentiles(&finite, &q).unwrap();
    assert!(same(found.cut_low, cuts[0]) && same(found.cut_high, cuts[1]));
    let (mut low, mut high) = (0, 0);
    for (&value, &flagged) in residual.iter().zip(&found.mask) {
        let value: f64 = value.into();
        let below = value < cuts[0] || value == f64::NEG_INFINITY;
        let above = value > cuts[1] || value == f64::INFINITY;
        assert_eq!(flagged, below || above);
        low += usize::from(below);
        high += usize::from(above);
    }
    assert_eq!((found.n_low, found.n_high), (low, high));
}

fn cut_sigma<T: Sample>(input: &mut Input<'_>, image: Image<'_, T>, errors: Image<'_, T>) {
    let (dispersion, window, edge) = window_of(input);
    let [lower, upper] = [(); 2].map(|()| input.below(100) as f64 / 4.0);
    let spread = 1.0 / (1.0 + input.below(9) as f64);
    let blunt = 1.0 + input.below(9) as f64 / 8.0;
    let coupling = input.below(30) as f64 / 100.0;
    let [along, across] = [(); 2].map(|()| (1 + input.below(20)) as f64 / 10.0);
    let blur = significance::Blur { coupling, along, across };
    let criteria =
        significance::Criteria { window, dispersion, lower, upper, spread, edge, blunt, blur };
    let errors = (input.byte() % 2 == 0).then_some(errors);
    let found = significance::find(image, errors, &criteria).unwrap();
    let flags = found.significance.iter().map(|&value| {
        let value: f64 = value.into();
        value < -lower || value > upper || value.is_infinite()
    });
    assert!(found.mask.iter().copied().eq(flags));
    assert_eq!(found.mask.iter().filter(|flag| **flag).count(), found.n_low + found.n_high);
}

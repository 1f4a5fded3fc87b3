//! Running medians: all methods equal the double heap, and their definition where that is quick.
#![no_main]

use badpix_selfcal_fuzz::{Input, assert_same, doubles, naive, naive_median, singles};
use badpix_selfcal_kernels::{Image, Median, Method, Reach, RunningMedian, Sample};
use libfuzzer_sys::fuzz_target;
use std::collections::VecDeque;

/// Samples of all windows together, for which the definition is quick.
const QUICK: usize = 30_000;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    if input.byte() % 2 == 0 { attempt(&mut input, singles) } else { attempt(&mut input, doubles) }
});

fn attempt<T: Sample>(input: &mut Input<'_>, draw: fn(&mut Input<'_>, usize) -> Vec<T>) {
    let kind = input.byte() % 8;
    let shape = input.shape();
    let (edge, size) = (input.edge(), shape.0 * shape.1);
    let (long, one) = (input.reach(if kind == 0 { 400 } else { 80 }), (0, 0));
    let (height, width) = match kind {
        0..2 => (one, long),
        2..4 => (long, one),
        _ => (input.reach(19), input.reach(19)),
    };
    let least = input.below(12);
    let samples = draw(input, size);
    if kind == 7 {
        return stream(input, &samples[..size.min(400)]);
    }
    let image = Image::new(&samples, shape.0, shape.1).unwrap();
    let reach = |(before, after)| Reach { before, after };
    let median = Median::reaching(reach(height), reach(width)).edge(edge).min_count(least);
    let [heap, network, auto] = [Method::Heap, Method::Network, Method::Auto]
        .map(|method| median.method(method).medians(image).unwrap());
    assert_same(&network, &heap, "network");
    assert_same(&auto, &heap, "auto");
    if size * (height.0 + height.1 + 1) * (width.0 + width.1 + 1) < QUICK {
        assert_same(&heap, &naive(&samples, shape, height, width, edge, least), "definition");
    }
}

fn stream<T: Sample>(input: &mut Input<'_>, samples: &[T]) {
    let capacity = input.below(20);
    let mut median = RunningMedian::new(capacity).unwrap();
    let mut window = VecDeque::new();
    for &sample in samples {
        if input.byte() % 3 == 0 {
            median.pop_oldest();
            window.pop_front();
        } else {
            median.push(sample);
            window.push_back(sample);
            if window.len() > capacity {
                window.pop_front();
            }
        }
        assert_eq!(median.len(), window.len());
        let expected = naive_median(window.iter().copied().collect());
        assert_same(&[median.median()], &[expected], "stream");
    }
}

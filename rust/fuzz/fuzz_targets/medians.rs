//! Running medians: all methods equal the double heap, and their definition where that is quick.
#![no_main]

use badpix_selfcal_fuzz::{Input, assert_same, doubles, naive, naive_median, singles};
use badpix_selfcal_kernels::median::{Method, Reach, along, reaching, rectangle};
use badpix_selfcal_kernels::{Axis, Image, RunningMedian, Sample, Window};
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
    let (lines, sides) =
        (input.odd(if kind == 0 { 200 } else { 40 }), (input.odd(9), input.odd(9)));
    let samples = draw(input, size);
    let image = Image::new(&samples, shape.0, shape.1).unwrap();
    let methods = [Method::Heap, Method::Network, Method::Auto];
    match kind {
        0..3 => {
            let axis = if input.byte() % 2 == 0 { Axis::X } else { Axis::Y };
            let window = Window::new(lines).unwrap();
            let [heap, network, auto] =
                methods.map(|method| along(image, axis, window, edge, method).unwrap());
            assert_same(&network, &heap, "network");
            assert_same(&auto, &heap, "auto");
            if size * lines < QUICK {
                let reach = (lines / 2, lines / 2);
                let (rows, cols) = if axis == Axis::X { ((0, 0), reach) } else { (reach, (0, 0)) };
                assert_same(&heap, &naive(&samples, shape, rows, cols, edge), "lines");
            }
        }
        3..6 => {
            let [height, width] = [sides.0, sides.1].map(|side| Window::new(side).unwrap());
            let [heap, network, auto] =
                methods.map(|method| rectangle(image, height, width, edge, method).unwrap());
            assert_same(&network, &heap, "network");
            assert_same(&auto, &heap, "auto");
            if size * sides.0 * sides.1 < QUICK {
                let reaches = [sides.0, sides.1].map(|side| (side / 2, side / 2));
                let expected = naive(&samples, shape, reaches[0], reaches[1], edge);
                assert_same(&heap, &expected, "rectangle");
            }
        }
        6 => {
            let [up, down, left, right] = [(); 4].map(|()| input.below(7));
            let rows = Reach { before: up, after: down };
            let cols = Reach { before: left, after: right };
            let found = reaching(image, rows, cols, edge).unwrap();
            if size * rows.len() * cols.len() < QUICK {
                let expected = naive(&samples, shape, (up, down), (left, right), edge);
                assert_same(&found, &expected, "reaching");
            }
        }
        _ => stream(input, &samples[..size.min(400)]),
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

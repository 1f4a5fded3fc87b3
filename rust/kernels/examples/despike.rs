//! Finds the spikes of a noisy image by its running median and the scatter around it.
//!
//! `cargo run --release --example despike`

mod noise;

use badpix_selfcal_kernels::{Axis, Edge, Error, Image, Median};

const ROWS: usize = 200;
const COLS: usize = 300;

fn main() -> Result<(), Error> {
    let samples = noise::noise_with_spikes(ROWS * COLS);
    let image = Image::new(&samples, ROWS, COLS)?;
    let of = |window| Median::along(Axis::Y, window).edge(Edge::Shrink);

    let (mut smooth, mut scatter) = (vec![0.0; samples.len()], vec![0.0; samples.len()]);
    of(15).run(image, &mut smooth)?;
    of(101).run_deviation(image, &mut scatter)?;

    let is_spike = |at: usize| (samples[at] - smooth[at]).abs() > 8.0 * 1.4826 * scatter[at];
    let spikes: Vec<_> = (0..samples.len()).filter(|&at| is_spike(at)).collect();
    println!("{} spikes, the first in row {}", spikes.len(), spikes[0] / COLS);
    println!("kernel: {}", of(15).kernel(ROWS, COLS)?);
    Ok(())
}

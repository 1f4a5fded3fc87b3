//! Finds the spikes of a noisy image by its running median and the scatter around it.
//!
//! `cargo run --release --example despike`

use badpix_selfcal_kernels::{Axis, Edge, Error, Image, Median};

const ROWS: usize = 200;
const COLS: usize = 300;

fn main() -> Result<(), Error> {
    let samples = noise_with_spikes();
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

/// Noise of which a twentieth is missing, with a spike in every thousandth sample.
fn noise_with_spikes() -> Vec<f32> {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 65536.0
    };
    let mut sample = |number: usize| match number % 1000 {
        500 => 100.0,
        _ if random() < 0.05 => f32::NAN,
        _ => random() + random() + random(),
    };
    (0..ROWS * COLS).map(&mut sample).collect()
}

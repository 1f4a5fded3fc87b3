//! Runs one kernel once, on one thread. `make gate` counts its instructions.
//!
//! `cargo run --release --example instructions -- avx2 "pedestal"`; without a name it lists the
//! kernels. What is to be counted is in `counted`.

mod noise;

use badpix_selfcal_kernels::significance::{self, Blur};
use badpix_selfcal_kernels::{Axis, Edge, Image, Instructions, Median, Region, Sample};
use badpix_selfcal_kernels::{minimum, pedestal, percentile};
use std::error::Error;
use std::hint::black_box;

type Outcome = Result<(), badpix_selfcal_kernels::Error>;
type Kernel = fn(&Images) -> Outcome;

const ROWS: usize = 640;
const COLS: usize = 96;

/// An image of noise in both precisions, and one of errors.
struct Images {
    single: Vec<f32>,
    double: Vec<f64>,
    errors: Vec<f32>,
}

const KERNELS: [(&str, Kernel); 12] = [
    ("median of 15 along y", |on| filter(&Median::along(Axis::Y, 15), &on.single, ROWS)),
    ("median of 15 along x", |on| filter(&Median::along(Axis::X, 15), &on.single, ROWS)),
    ("median of 15 along y, f64", |on| filter(&Median::along(Axis::Y, 15), &on.double, ROWS)),
    ("median of 101 along y", |on| filter(&Median::along(Axis::Y, 101), &on.single, ROWS)),
    ("median of 501 along y", |on| filter(&Median::along(Axis::Y, 501), &on.single, ROWS)),
    ("median of 7 x 7", |on| filter(&Median::rectangle(7, 7), &on.single, ROWS)),
    ("median of 15 x 15", |on| filter(&Median::rectangle(15, 15), &on.single, ROWS)),
    ("median of 15, one line", |on| filter(&Median::along(Axis::X, 15), &on.single, 1)),
    ("percentiles", |on| {
        black_box(percentile::percentiles(&on.single, &[0.1, 50.0, 99.9])?);
        Ok(())
    }),
    ("pedestal", |on| {
        let gap = Region { y0: 20, y1: 600, x0: 20, x1: 60 };
        black_box(pedestal::in_region(Image::new(&on.single, ROWS, COLS)?, gap)?);
        Ok(())
    }),
    ("minimum", |on| {
        let mut least = vec![1.5; on.single.len()];
        minimum::fold(&mut least, &on.single, 0.25)?;
        black_box(least);
        Ok(())
    }),
    ("sigma cut", |on| {
        let criteria = significance::Criteria {
            window: 15,
            dispersion: Some(Axis::Y),
            edge: Edge::Shrink,
            lower: 12.0,
            upper: 3.75,
            blunt: 1.2,
            blur: Blur { coupling: 0.03, along: 0.65, across: 0.65 },
            spread: 0.701,
        };
        let image = Image::new(&on.single, ROWS, COLS)?;
        black_box(significance::find(image, Some(Image::new(&on.errors, ROWS, COLS)?), &criteria)?);
        Ok(())
    }),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (instructions, name) = (arguments.next(), arguments.next());
    let Some(name) = name else {
        for (name, _) in KERNELS {
            println!("{name}");
        }
        return Ok(());
    };
    let set = Instructions::ALL.into_iter().find(|set| Some(set.name()) == instructions.as_deref());
    if !set.is_some_and(Instructions::force) {
        return Err(format!("this machine has no {}", instructions.unwrap_or_default()).into());
    }
    let (_, kernel) =
        KERNELS.iter().find(|each| each.0 == name).ok_or("there is no such kernel")?;
    // The calling thread does all work: only its instructions are counted.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    counted(*kernel, &images())?;
    Ok(())
}

#[inline(never)]
fn counted(kernel: Kernel, on: &Images) -> Outcome {
    black_box(kernel)(on)
}

fn filter<T: Sample>(median: &Median, samples: &[T], rows: usize) -> Outcome {
    let image = Image::new(samples, rows, samples.len() / rows)?;
    black_box(median.edge(Edge::Shrink).medians(image)?);
    Ok(())
}

fn images() -> Images {
    let single = noise::noise_with_spikes(ROWS * COLS);
    let double = single.iter().copied().map(f64::from).collect();
    let errors = single.iter().map(|sample| 0.5 + 0.01 * sample).collect();
    Images { single, double, errors }
}

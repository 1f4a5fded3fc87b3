//! Images cut into blocks of windows: one vector holds adjacent blocks of a row.
//!
//! So rectangular windows run through selection networks, and lines too where there are too few
//! of them to fill the lanes.

use super::Edge;
use super::heap::RunningMedian;
use crate::median::network::builder::Shape;
use crate::median::network::compiled::{Block, Put, Take, WithBlock, choose};
use crate::median::network::lanes::{Lanes, Vectors};
mod phases;

use crate::median::network::program::Plan;
use crate::median::network::table::{Place, Places, Table, VECTORS};
use crate::{Error, Image, Sample};
use phases::{Layout, Phases, Strip};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::marker::PhantomData;

/// Running median of an image that is not empty; None if the window is too large for a network.
pub(crate) fn filter<T: Sample>(
    image: Image<'_, T>,
    window: Shape,
    edge: Edge,
) -> Result<Option<Vec<T>>, Error> {
    let Some(plan) = Plan::of(window) else { return Ok(None) };
    let plan: &Plan = &plan;
    let heap = RunningMedian::new(window.len())?;
    let mut out = vec![T::ZERO; image.samples().len()];
    let rows = rows_of_a_strip(image.rows(), plan.block());
    let cols = if window.rows == 1 { cols_of_a_strip(image, plan.block()) } else { image.cols() };
    let strip = |first, medians| Strip { image, beyond: edge.fill(), window, first, medians };
    let run = |strip, out: &mut [T]| Arch::new().dispatch(Run { strip, plan, heap: &heap, out });
    if cols < image.cols() {
        out.par_chunks_mut(image.cols()).enumerate().for_each(|(y, out)| {
            out.par_chunks_mut(cols).enumerate().for_each(|(number, out)| {
                run(strip((y, number * cols), Shape { rows: 1, cols: out.len() }), out);
            });
        });
    } else {
        out.par_chunks_mut(rows * cols).enumerate().for_each(|(number, out)| {
            run(strip((number * rows, 0), Shape { rows: out.len() / cols, cols }), out);
        });
    }
    Ok(Some(out))
}

/// Rows of medians that one task computes: many, as it takes in the rows of a window besides, but
/// few enough to stay in cache and to share the work out evenly.
fn rows_of_a_strip(rows: usize, block: Shape) -> usize {
    const MOST: usize = 64;
    let share = rows.div_ceil(2 * rayon::current_num_threads());
    MOST.min(share).next_multiple_of(block.rows)
}

/// Columns of medians that one task computes of an image of a few lines.
fn cols_of_a_strip<T: Sample>(image: Image<'_, T>, block: Shape) -> usize {
    const TASKS: usize = 4;
    let tasks = TASKS * rayon::current_num_threads();
    if image.rows() >= tasks {
        return image.cols();
    }
    let each = (image.rows() * image.cols()).div_ceil(tasks);
    each.next_multiple_of(64 * block.cols).min(image.cols())
}

/// A strip to be computed.
struct Run<'a, 'o, T> {
    strip: Strip<'a, T>,
    plan: &'a Plan,
    heap: &'a RunningMedian<T>,
    out: &'o mut [T],
}

impl<T: Sample> WithSimd for Run<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { strip, plan, heap, out } = self;
        let l = T::lanes(simd);
        let lanes = VECTORS * T::Lanes::<S>::WIDTH;
        let layout = Layout::new(strip.window, plan.block(), strip.medians, lanes);
        let phases = Phases::of(&strip, &layout);
        let zero = Vectors([l.splat(T::ZERO); VECTORS]);
        let mut blocks = Blocks {
            l,
            phases: &phases,
            inputs: layout.places(strip.window.seen_by(layout.block)),
            windows: layout.places(layout.block),
            at: 0,
            medians: vec![zero; layout.block.len()],
        };
        let mut places = match plan {
            Plan::Table(_) => Table::places(l),
            Plan::Compiled { .. } => None,
        };
        let mut doubtful = Vec::new();
        while blocks.at < layout.blocks.rows * layout.pitch {
            match (plan, &mut places) {
                (Plan::Table(table), Some(places)) => blocks.run_table(table, places),
                _ => choose(strip.window.cols, Compiled(&mut blocks)).unwrap_or_default(),
            }
            blocks.write(&layout, strip.medians, out, &mut doubtful);
            blocks.at += lanes;
        }
        compute_again(&strip, heap, &mut doubtful, out);
    }
}

/// Adjacent blocks, one a lane, and their medians.
struct Blocks<'a, L: Lanes> {
    l: L,
    phases: &'a Phases<L::T>,
    /// The places of the inputs of the first block.
    inputs: Vec<usize>,
    /// The places of the windows of the first block.
    windows: Vec<usize>,
    /// The block in the first lane.
    at: usize,
    medians: Vec<Place<L>>,
}

impl<L: Lanes> Blocks<'_, L> {
    #[inline(always)]
    fn run_table(&mut self, table: &Table, places: &mut Places<L>) {
        let samples =
            Samples { l: self.l, of: &self.phases.samples, places: &self.inputs, at: self.at };
        for (input, place) in places.iter_mut().take(self.inputs.len()).enumerate() {
            for v in 0..VECTORS {
                place[v] = samples.take(input, v);
            }
        }
        let surplus =
            Samples { l: self.l, of: &self.phases.surplus, places: &self.windows, at: self.at };
        let mut medians = Medians::<L> { surplus, reach: table.reach, out: &mut self.medians };
        table.run(self.l, places, &mut medians);
    }

    #[inline(always)]
    fn run_block<B: Block>(&mut self) {
        let samples =
            Samples { l: self.l, of: &self.phases.samples, places: &self.inputs, at: self.at };
        let surplus =
            Samples { l: self.l, of: &self.phases.surplus, places: &self.windows, at: self.at };
        let mut medians = Medians::<L> { surplus, reach: 1, out: &mut self.medians };
        for v in 0..VECTORS {
            B::run(self.l, &samples, v, &mut medians);
        }
    }

    /// Writes the medians, and notes where one is infinite.
    #[inline(always)]
    fn write(
        &self,
        layout: &Layout,
        wanted: Shape,
        out: &mut [L::T],
        doubtful: &mut Vec<(usize, usize)>,
    ) {
        let Shape { rows, cols } = layout.block;
        let lanes = VECTORS * L::WIDTH;
        let mut lane = 0;
        while lane < lanes {
            let (row, col) = ((self.at + lane) / layout.pitch, (self.at + lane) % layout.pitch);
            let end = lanes.min(lane + layout.pitch - col);
            let blocks = layout.blocks.cols.saturating_sub(col).min(end - lane);
            let (top, left) = (row * rows, col * cols);
            let height = rows.min(wanted.rows.saturating_sub(top));
            for (window, medians) in self.medians[..height * cols].iter().enumerate() {
                let medians = &bytemuck::cast_slice::<L::V, L::T>(&medians.0)[lane..][..blocks];
                let (y, x) = (top + window / cols, left + window % cols);
                let out = &mut out[y * wanted.cols..][..wanted.cols];
                let places = out.iter_mut().skip(x).step_by(cols);
                let mut infinite = false;
                for (out, &median) in places.zip(medians) {
                    *out = median;
                    infinite |= !median.is_finite() & !median.is_nan();
                }
                if infinite {
                    let among = medians.iter().enumerate();
                    let among = among.filter(|(_, median)| !median.is_finite() & !median.is_nan());
                    let places = among.map(|(number, _)| (y, x + number * cols));
                    doubtful.extend(places.filter(|&(_, x)| x < wanted.cols));
                }
            }
            lane = end;
        }
    }
}

/// A compiled network to be run on all blocks, in a function of its own.
struct Compiled<'t, 'a, L: Lanes>(&'t mut Blocks<'a, L>);

impl<L: Lanes> WithBlock for Compiled<'_, '_, L> {
    type Output = ();

    #[inline(always)]
    fn call<B: Block>(self) {
        struct Run<'t, 'a, L: Lanes, B>(&'t mut Blocks<'a, L>, PhantomData<B>);
        impl<L: Lanes, B: Block> WithSimd for Run<'_, '_, L, B> {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                self.0.run_block::<B>();
            }
        }
        self.0.l.simd().vectorize(Run(self.0, PhantomData::<B>));
    }
}

/// Values of the blocks from `at` on.
struct Samples<'a, L: Lanes> {
    l: L,
    of: &'a [L::T],
    places: &'a [usize],
    at: usize,
}

impl<L: Lanes> Take<L> for Samples<'_, L> {
    #[inline(always)]
    fn take(&self, number: usize, v: usize) -> L::V {
        self.l.load(&self.of[self.places[number] + self.at + v * L::WIDTH..])
    }
}

/// The medians of a block, where they are to go.
struct Medians<'a, L: Lanes> {
    surplus: Samples<'a, L>,
    reach: usize,
    out: &'a mut [Place<L>],
}

impl<L: Lanes> Put<L> for Medians<'_, L> {
    #[inline(always)]
    fn put(&mut self, which: usize, v: usize, middle: &impl Take<L>) {
        let l = self.surplus.l;
        let surplus = self.surplus.take(which, v);
        // Rank h - s / 2, or the ranks on either side of it: from the least upwards, each is taken
        // unless the surplus is too great for it.
        let (mut low, mut high) = (middle.take(0, v), middle.take(0, v));
        let (mut most, two) = (l.splat(L::T::from(bound(self.reach))), l.splat(L::T::from(2)));
        let too_many = l.less(most, surplus);
        for number in 1..=2 * self.reach {
            let value = middle.take(number, v);
            high = l.select(l.less(surplus, most), value, high);
            most = l.sub(most, two);
            low = l.select(l.less(most, surplus), low, value);
        }
        let too_few = l.less(surplus, most);
        let infinity = l.splat(L::T::INFINITY);
        let median = l.select(too_many, infinity, l.mean(low, high));
        self.out[which][v] = l.select(too_few, infinity, median);
    }
}

/// The greatest surplus that ranks up to `reach` from the middle serve.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // far below 2^15
fn bound(reach: usize) -> i16 {
    2 * reach as i16
}

/// Computes medians again that are infinite: the mean of two finite samples may have overflowed, or
/// the fillers' surplus was out of reach.
fn compute_again<T: Sample>(
    strip: &Strip<'_, T>,
    heap: &RunningMedian<T>,
    places: &mut [(usize, usize)],
    out: &mut [T],
) {
    // Where so many of a row's windows are selected from one by one, the double heap is faster.
    const FEW: usize = 16;
    let cols = strip.medians.cols;
    places.sort_unstable();
    for places in places.chunk_by(|a, b| a.0 == b.0) {
        let y = places[0].0;
        let out = &mut out[y * cols..][..cols];
        if places.len() * strip.window.cols > FEW * cols {
            row_by_heap(strip, &mut heap.clone(), y, out);
        } else {
            for &(y, x) in places {
                out[x] = median_of(strip.samples(y, x, strip.window.cols));
            }
        }
    }
}

fn row_by_heap<T: Sample>(
    strip: &Strip<'_, T>,
    heap: &mut RunningMedian<T>,
    y: usize,
    out: &mut [T],
) {
    let width = out.len() + strip.window.cols - 1;
    let samples = strip.samples(y, 0, width);
    for x in 0..width {
        for &sample in samples[x..].iter().step_by(width) {
            heap.push(sample);
        }
        if let Some(x) = (x + 1).checked_sub(strip.window.cols) {
            out[x] = heap.median();
        }
    }
}

/// The median of some samples that are not NaN; NaN if there are none.
fn median_of<T: Sample>(mut samples: Vec<T>) -> T {
    samples.retain(|sample| !sample.is_nan());
    let middle = samples.len() / 2;
    if samples.is_empty() {
        return T::NAN;
    }
    let even = samples.len().is_multiple_of(2);
    let (below, &mut above, _) = samples.select_nth_unstable_by(middle, T::order);
    match below.iter().copied().max_by(T::order) {
        Some(below) if even => below.midpoint(above),
        _ => above,
    }
}

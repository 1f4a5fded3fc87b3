//! Selection networks over blocks of windows, with one block in each lane.
//!
//! A vector holds adjacent blocks of a row. Rectangular windows run in this way, and lines if there
//! are too few of them to fill the lanes of `lines`.
//!
//! The samples of a strip are arranged so that a vector holds the same input of adjacent blocks. A
//! block of windows contains a rectangle of samples. The block to its right contains that rectangle
//! shifted by the width of a block. Samples are therefore grouped by phase, which is their row and
//! column modulo the shape of a block. Input (y, x) of successive blocks then has successive
//! indices.

use super::infinities::{self, Surplus, fill_nans, note_infinite, select};
use super::network::builder::Shape;
use super::network::table::{PLACE_VECTORS, Place, Table};
use super::network::{CompiledNetwork, Program, Receiver, Source, WithCompiled, with_compiled};
use super::strip::Strip;
use super::window::{Edge, Extent};
use crate::instructions::arch;
use crate::lanes::{Lanes, Vectors};
use crate::{Error, Image, Sample, memory};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::marker::PhantomData;

/// Writes the running median of an image that is not empty, by the program of its window.
pub(super) fn filter<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    program: &Program,
    out: &mut [T],
) -> Result<(), Error> {
    let window = program.window();
    let places = extent.places(Shape::of(image), edge);
    let rows = rows_of_a_strip(image.rows(), program.block());
    let cols =
        if window.rows == 1 { cols_of_a_strip(image, program.block()) } else { image.cols() };
    let strip =
        |first, medians| Strip { image, window, places, of_magnitudes: false, first, medians };
    let run = |strip, out: &mut [T]| arch().dispatch(RunStrip { strip, program, out });
    if cols < image.cols() {
        return out.par_chunks_mut(image.cols()).enumerate().try_for_each(|(y, out)| {
            out.par_chunks_mut(cols).enumerate().try_for_each(|(number, out)| {
                run(strip((y, number * cols), Shape { rows: 1, cols: out.len() }), out)
            })
        });
    }
    out.par_chunks_mut(rows * cols).enumerate().try_for_each(|(number, out)| {
        run(strip((number * rows, 0), Shape { rows: out.len() / cols, cols }), out)
    })
}

/// Rows of medians that one task computes: many, because each task also reads the further rows of
/// its windows, but few enough to stay in cache and to divide the work evenly among the threads.
fn rows_of_a_strip(rows: usize, block: Shape) -> usize {
    const MOST_ROWS: usize = 64;
    let share = rows.div_ceil(2 * rayon::current_num_threads());
    MOST_ROWS.min(share).next_multiple_of(block.rows)
}

/// Columns of medians that one task computes: few enough for its memory to stay in cache, and to
/// divide a few lines evenly among the threads.
fn cols_of_a_strip<T: Sample>(image: Image<'_, T>, block: Shape) -> usize {
    const STRIPS_PER_THREAD: usize = 4;
    const MOST_COLS: usize = 1 << 14;
    let tasks = STRIPS_PER_THREAD * rayon::current_num_threads();
    let each = if image.rows() >= tasks {
        image.cols()
    } else {
        (image.rows() * image.cols()).div_ceil(tasks).next_multiple_of(64 * block.cols)
    };
    each.min((MOST_COLS / block.cols).max(64) * block.cols).min(image.cols())
}

/// Computes a strip.
struct RunStrip<'a, 'o, T> {
    strip: Strip<'a, T>,
    program: &'a Program,
    out: &'o mut [T],
}

impl<T: Sample> WithSimd for RunStrip<'_, '_, T> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<(), Error> {
        let Self { strip, program, out } = self;
        let l = T::lanes(simd);
        let lanes = PLACE_VECTORS * T::Lanes::<S>::WIDTH;
        let layout = Layout::new(strip.window, program.block(), strip.medians, lanes);
        let phases = Phases::of(&strip, &layout)?;
        let zero = Vectors([l.splat(T::ZERO); PLACE_VECTORS]);
        let mut blocks = Blocks {
            l,
            phases: &phases,
            inputs: layout.indices(strip.window.inputs_of(layout.block))?,
            windows: layout.indices(layout.block)?,
            at: 0,
            medians: memory::filled(zero, layout.block.len())?,
        };
        let mut places = match program {
            Program::Table(table) => table.memory(l)?,
            Program::Compiled { .. } => Vec::new(),
        };
        let mut doubtful = Vec::new();
        while blocks.at < layout.blocks.rows * layout.pitch {
            match program {
                Program::Table(table) => blocks.run_table(table, &mut places),
                Program::Compiled { window, .. } => {
                    let Some(()) = with_compiled(window.cols, RunBlocks(&mut blocks)) else {
                        unreachable!("a compiled program has code for its window")
                    };
                }
            }
            blocks.write(&layout, strip.medians, out, &mut doubtful)?;
            blocks.at += lanes;
        }
        strip.compute_again(&mut doubtful, out)
    }
}

/// Adjacent blocks, one in each lane, and their medians.
struct Blocks<'a, L: Lanes> {
    l: L,
    phases: &'a Phases<L::T>,
    /// The indices of the inputs of the first block.
    inputs: Vec<usize>,
    /// The indices of the windows of the first block.
    windows: Vec<usize>,
    /// The block in the first lane.
    at: usize,
    medians: Vec<Place<L>>,
}

impl<L: Lanes> Blocks<'_, L> {
    #[inline(always)]
    fn run_table(&mut self, table: &Table, places: &mut [Place<L>]) {
        let samples =
            BlockValues { l: self.l, of: &self.phases.samples, indices: &self.inputs, at: self.at };
        for (input, place) in places.iter_mut().take(self.inputs.len()).enumerate() {
            for v in 0..PLACE_VECTORS {
                place[v] = samples.get(input, v);
            }
        }
        let surplus = BlockValues {
            l: self.l,
            of: &self.phases.surplus,
            indices: &self.windows,
            at: self.at,
        };
        let mut medians =
            BlockMedians::<L> { surplus, ranks: table.ranks(), out: &mut self.medians };
        table.run(self.l, places, &mut medians);
    }

    #[inline(always)]
    fn run_block<B: CompiledNetwork>(&mut self) {
        let samples =
            BlockValues { l: self.l, of: &self.phases.samples, indices: &self.inputs, at: self.at };
        let surplus = BlockValues {
            l: self.l,
            of: &self.phases.surplus,
            indices: &self.windows,
            at: self.at,
        };
        let ranks = 2 + B::WINDOW % 2;
        let mut medians = BlockMedians::<L> { surplus, ranks, out: &mut self.medians };
        for v in 0..PLACE_VECTORS {
            B::run(self.l, &samples, v, &mut medians);
        }
    }

    /// Writes the medians, and adds the pixels of infinite ones to `doubtful`.
    #[inline(always)]
    fn write(
        &self,
        layout: &Layout,
        wanted: Shape,
        out: &mut [L::T],
        doubtful: &mut Vec<(usize, usize)>,
    ) -> Result<(), Error> {
        let Shape { rows, cols } = layout.block;
        let lanes = PLACE_VECTORS * L::WIDTH;
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
                let targets = out.iter_mut().skip(x).step_by(cols);
                targets.zip(medians).for_each(|(out, &median)| *out = median);
                let inside = wanted.cols.saturating_sub(x).div_ceil(cols).min(blocks);
                note_infinite(&medians[..inside], (y, x), cols, doubtful)?;
            }
            lane = end;
        }
        Ok(())
    }
}

/// Runs a compiled network on all blocks, in a function of its own.
struct RunBlocks<'t, 'a, L: Lanes>(&'t mut Blocks<'a, L>);

impl<L: Lanes> WithCompiled for RunBlocks<'_, '_, L> {
    type Output = ();

    #[inline(always)]
    fn call<B: CompiledNetwork>(self) {
        struct RunBlocksBy<'t, 'a, L: Lanes, B>(&'t mut Blocks<'a, L>, PhantomData<B>);
        impl<L: Lanes, B: CompiledNetwork> WithSimd for RunBlocksBy<'_, '_, L, B> {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) {
                self.0.run_block::<B>();
            }
        }
        self.0.l.simd().vectorize(RunBlocksBy(self.0, PhantomData::<B>));
    }
}

/// The values of the blocks from `at` on.
struct BlockValues<'a, L: Lanes> {
    l: L,
    of: &'a [L::T],
    indices: &'a [usize],
    at: usize,
}

impl<L: Lanes> Source<L> for BlockValues<'_, L> {
    #[inline(always)]
    fn get(&self, number: usize, v: usize) -> L::V {
        self.l.load(&self.of[self.indices[number] + self.at + v * L::WIDTH..])
    }
}

/// Computes the medians of a block from the outputs of its network.
struct BlockMedians<'a, L: Lanes> {
    surplus: BlockValues<'a, L>,
    /// The number of middle ranks.
    ranks: usize,
    out: &'a mut [Place<L>],
}

impl<L: Lanes> Receiver<L> for BlockMedians<'_, L> {
    #[inline(always)]
    fn put(&mut self, which: usize, v: usize, middle: &impl Source<L>) {
        let l = self.surplus.l;
        let surplus = self.surplus.get(which, v);
        self.out[which][v] = select(l, surplus, self.ranks, middle, v);
    }
}

/// The arrangement of the samples of a strip in memory.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// The windows of a block.
    block: Shape,
    /// The number of blocks.
    blocks: Shape,
    /// The distance from the index of a block to that of the block below. It is larger than the
    /// number of blocks in a row, since the last windows contain further samples.
    pitch: usize,
    /// The number of indices of a phase.
    len: usize,
    /// Rows of samples in all windows.
    rows: usize,
}

impl Layout {
    /// The layout of medians in blocks of windows. `lanes` blocks are computed at a time.
    fn new(window: Shape, block: Shape, medians: Shape, lanes: usize) -> Self {
        let blocks = Shape {
            rows: medians.rows.div_ceil(block.rows),
            cols: medians.cols.div_ceil(block.cols),
        };
        let inputs = window.inputs_of(block);
        let pitch = blocks.cols + (inputs.cols - 1) / block.cols;
        let farthest = (inputs.rows - 1) / block.rows * pitch + (inputs.cols - 1) / block.cols;
        let len = (blocks.rows * pitch).next_multiple_of(lanes) + farthest;
        Self { block, blocks, pitch, len, rows: (blocks.rows - 1) * block.rows + inputs.rows }
    }

    /// The index of a sample, or of a median, of the first block.
    fn index(&self, y: usize, x: usize) -> usize {
        let phase = y % self.block.rows * self.block.cols + x % self.block.cols;
        phase * self.len + y / self.block.rows * self.pitch + x / self.block.cols
    }

    /// The indices of all samples of a rectangle, row by row.
    fn indices(&self, shape: Shape) -> Result<Vec<usize>, Error> {
        let row = |y| (0..shape.cols).map(move |x| self.index(y, x));
        memory::collected((0..shape.rows).flat_map(row))
    }

    /// Samples in a row.
    fn width(&self) -> usize {
        self.pitch * self.block.cols
    }

    /// Writes row `y` to its indices.
    #[inline(always)]
    fn spread<T: Copy>(&self, y: usize, row: &[T], to: &mut [T]) {
        let phases = to[self.index(y, 0)..].chunks_mut(self.len);
        for (phase, to) in phases.take(self.block.cols).enumerate() {
            let values = row.iter().skip(phase).step_by(self.block.cols);
            to.iter_mut().zip(values).for_each(|(to, &value)| *to = value);
        }
    }
}

/// The samples of a strip by phase, and the surplus of each of its windows.
#[derive(Debug)]
struct Phases<T> {
    /// The samples, with NaNs replaced.
    samples: Vec<T>,
    /// For each window the number of NaNs replaced by +inf minus that of NaNs replaced by -inf.
    surplus: Vec<T>,
}

impl<T: Sample> Phases<T> {
    /// Arranges the samples of a strip.
    #[inline(always)]
    fn of(strip: &Strip<'_, T>, layout: &Layout) -> Result<Self, Error> {
        let size = layout.block.len() * layout.len;
        let mut phases = Self { samples: memory::zeros(size)?, surplus: memory::zeros(size)? };
        let width = layout.width();
        let height = infinities::band(strip.window);
        let mut band = memory::zeros(height * width)?;
        let mut signs = memory::zeros(layout.rows * width)?;
        for (number, signs) in signs.chunks_mut(height * width).enumerate() {
            let band = &mut band[..signs.len()];
            for (row, out) in band.chunks_exact_mut(width).enumerate() {
                strip.copy_row(number * height + row, 0, out);
            }
            fill_nans(band, signs, width);
            for (row, samples) in band.chunks_exact(width).enumerate() {
                let y = number * height + row;
                layout.spread(y, samples, &mut phases.samples);
            }
        }
        phases.count_surplus(strip.window, layout, &signs)?;
        Ok(phases)
    }

    /// Sums the signs of the infinities over each window.
    #[inline(always)]
    fn count_surplus(&mut self, window: Shape, layout: &Layout, signs: &[i8]) -> Result<(), Error> {
        let width = layout.width();
        let mut of_row = Surplus::new(window.cols, width)?;
        let mut surplus = memory::zeros(width + 1 - window.cols)?;
        let rows = memory::collected(signs.chunks_exact(width))?;
        for (y, &arriving) in rows.iter().enumerate() {
            of_row.add(arriving);
            let Some(y) = (y + 1).checked_sub(window.rows) else { continue };
            of_row.write(&mut surplus);
            layout.spread(y, &surplus, &mut self.surplus);
            of_row.remove(rows[y]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Image;
    use crate::median::{Axis, Edge, Median, Method};
    use crate::testing::{are_same, special_samples};

    /// The sum of any two samples overflows, so that whole rows of medians are computed again.
    #[test]
    fn rows_whose_medians_overflow() {
        let sample = |i: u32| {
            // A window of 33 columns has a NaN in each of its rows.
            let is_nan = (i % 400).is_multiple_of(33);
            let part = 0.6 + f64::from(i * 7919 % 1013) / 3000.0;
            if is_nan { f64::NAN } else { part * f64::MAX }
        };
        let samples: Vec<_> = (0..1200).map(sample).collect();
        let image = Image::new(&samples, 3, 400).unwrap();
        for height in [1, 3] {
            let median = Median::rectangle(height, 33).edge(Edge::Shrink);
            let [heap, network] = [Method::Heap, Method::Network]
                .map(|method| median.method(method).medians(image).unwrap());
            assert_eq!(network, heap);
        }
    }

    /// Windows whose network is a table, of rectangles and of lines.
    #[test]
    fn tables_have_the_medians_of_the_heap() {
        let (rows, cols) = (40, 75);
        let samples = special_samples(f32::MAX, rows * cols, 1);
        let image = Image::new(&samples, rows, cols).unwrap();
        let line = |axis| Median::along(axis, 33);
        let rectangles = [(9, 9), (3, 5), (5, 2), (10, 8)];
        let rectangles = rectangles.map(|(rows, cols)| Median::rectangle(rows, cols));
        for median in rectangles.into_iter().chain([line(Axis::X), line(Axis::Y)]) {
            let median = median.edge(Edge::Mirror);
            let [heap, network] = [Method::Heap, Method::Network]
                .map(|method| median.method(method).medians(image).unwrap());
            assert!(are_same(&network, &heap), "{median:?}");
        }
    }

    /// Lines longer than a strip, of which the last one is short, with odd and even windows.
    #[test]
    fn long_lines_are_filtered_in_strips() {
        for (rows, cols) in [(1, 40_001), (3, 33_000)] {
            let samples = special_samples(f32::MAX, rows * cols, 1);
            let image = Image::new(&samples, rows, cols).unwrap();
            for length in [15, 34] {
                let median = Median::along(Axis::X, length).edge(Edge::Wrap);
                let [heap, network] = [Method::Heap, Method::Network]
                    .map(|method| median.method(method).medians(image).unwrap());
                assert!(are_same(&network, &heap), "{length} of {rows} x {cols}");
            }
        }
    }
}

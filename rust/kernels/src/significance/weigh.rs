//! The noise of each pixel, and its contrast in units of it.

use super::base::Base;
use super::edges::{Candidate, add_candidates};
use super::neighbours::{Columns, may_be_halo};
use super::{DARK, SLOPE, STANDS_OUT, STRUCTURE, WITHOUT_ERROR};
use crate::lanes::{Lanes, Vectorized};
use crate::median::Axis;
use crate::{Error, Image, Sample, memory};
use bytemuck::Pod;
use pulp::{Scalar, Simd, WithSimd};

/// What the noise is made of, besides the scatter.
pub(super) struct Light<'a, T> {
    pub(super) minimum: Image<'a, T>,
    /// The running median of the minimum image.
    pub(super) smooth: Image<'a, T>,
    pub(super) residuals: Image<'a, T>,
    pub(super) contrasts: Image<'a, T>,
    pub(super) base: Base<'a, T>,
    pub(super) dispersion: Option<Axis>,
}

/// Some rows of pixels.
pub(super) struct Weigh<'a, T> {
    pub(super) light: &'a Light<'a, T>,
    /// The first of the rows.
    pub(super) first: usize,
    /// Their fine structure.
    pub(super) structure: &'a [T],
    /// The scatter, which is replaced by the noise.
    pub(super) noise: &'a mut [T],
    /// The usual levels of fine structure, which are replaced by the significance.
    pub(super) significance: &'a mut [T],
    /// The cut above which a pixel may belong to a group with sharp edges.
    pub(super) cut: T,
    /// What the significance of a bright pixel is divided by.
    pub(super) blunt: T,
}

impl<T: Sample> WithSimd for Weigh<'_, T> {
    type Output = Result<Vec<Candidate<T>>, Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<Vec<Candidate<T>>, Error> {
        let Self { light, first, structure, noise, significance, cut, blunt } = self;
        let l = T::lanes(simd);
        let cols = light.minimum.cols();
        let mut candidates = Vec::new();
        let mut bases = memory::zeros(cols)?;
        let missing = memory::filled(T::NAN, cols)?;
        let mut columns = Columns::new(cols)?;
        let mut levels = [memory::zeros(cols)?, memory::zeros(cols)?];
        let rows = noise.chunks_exact_mut(cols).zip(significance.chunks_exact_mut(cols));
        let rows = rows.zip(structure.chunks_exact(cols));
        for (y, ((noise, significance), structure)) in (first..).zip(rows) {
            if let Base::Level(level) = &light.base {
                let (samples, contrast) = (light.minimum.row(y), light.contrasts.row(y));
                level.add(noise, samples, contrast, &mut levels);
            }
            let around = Around { light, y, structure, missing: &missing };
            columns.sort(l, around.rows(light.contrasts));
            weigh_row(l, around, &columns, [&mut bases, noise, significance]);
            divide(significance, noise, blunt);
            let images = [light.residuals.row(y), light.contrasts.row(y)];
            add_candidates(l, images, &bases, (cut, y * cols), &mut candidates)?;
        }
        Ok(candidates)
    }
}

/// Replaces the scatter of a row by the noise, and the usual levels of fine structure by the
/// contrast that is divided by the noise. Fills in the bases of the noise.
#[inline(always)]
fn weigh_row<L: Lanes>(
    l: L,
    around: Around<'_, L::T>,
    columns: &Columns<L::T>,
    [bases, noise, contrast]: [&mut [L::T]; 3],
) {
    let cols = noise.len();
    let border = cols - 1;
    let pixels = Pixels::new(l, around, columns, cols);
    let is_wide = L::WIDTH + 1 < cols;
    if is_wide {
        // The last vector overlaps the one before it.
        let last = border - L::WIDTH;
        let before_last = (l.load(&noise[last..]), l.load(&contrast[last..]));
        let mut x = 1;
        while x + L::WIDTH < cols {
            let before = (l.load(&noise[x..]), l.load(&contrast[x..]));
            write(x, pixels.weigh(At::<true>(x), before), [bases, noise, contrast]);
            x += L::WIDTH;
        }
        write(last, pixels.weigh(At::<true>(last), before_last), [bases, noise, contrast]);
    }
    let one = L::T::lanes(Scalar::new());
    let pixels = Pixels::new(one, around, columns, cols);
    for x in (0..cols).step_by(if is_wide { border } else { 1 }) {
        let before = (one.load(&noise[x..]), one.load(&contrast[x..]));
        write(x, pixels.weigh(At::<false>(x), before), [bases, noise, contrast]);
    }
}

/// Writes a vector to some pixels of each row.
#[inline(always)]
fn write<T: Sample, V: Pod>(x: usize, vectors: [V; 3], rows: [&mut [T]; 3]) {
    for (vector, row) in vectors.into_iter().zip(rows) {
        let vector = [vector];
        let samples: &[T] = bytemuck::cast_slice(&vector);
        row[x..x + samples.len()].copy_from_slice(samples);
    }
}

/// What is around a row.
#[derive(Clone, Copy)]
struct Around<'a, T> {
    light: &'a Light<'a, T>,
    y: usize,
    structure: &'a [T],
    /// A row of NaN, for those beyond the border.
    missing: &'a [T],
}

impl<'a, T: Sample> Around<'a, T> {
    /// A row of an image and those above and below it.
    #[inline(always)]
    fn rows(&self, image: Image<'a, T>) -> [&'a [T]; 3] {
        let row = |y: Option<usize>| y.map(|y| image.row(y)).filter(|row| !row.is_empty());
        let [above, below] = [row(self.y.checked_sub(1)), row(Some(self.y + 1))];
        [above.unwrap_or(self.missing), image.row(self.y), below.unwrap_or(self.missing)]
    }
}

/// A row of pixels and what is around it. Of three rows, the middle one is that of the pixels.
struct Pixels<'a, L: Lanes> {
    l: L,
    y: usize,
    minimum: [&'a [L::T]; 3],
    smooth: [&'a [L::T]; 3],
    residual: &'a [L::T],
    contrast: &'a [L::T],
    columns: &'a Columns<L::T>,
    structure: &'a [L::T],
    /// Errors, and their factor.
    error: Option<(&'a [L::T], L::V)>,
    /// Light stands out if it is above the base times this.
    stands_out: L::V,
    light: &'a Light<'a, L::T>,
}

/// The place of adjacent pixels: the column of the first.
#[derive(Clone, Copy)]
struct At<const INSIDE: bool>(usize);

impl<const INSIDE: bool> At<INSIDE> {
    /// The samples of a row at these columns, or at those before (`shift` 0) or after them (2).
    ///
    /// NaN stands for those beyond the border. `INSIDE` promises that there are none.
    #[inline(always)]
    fn of<L: Lanes>(self, l: L, row: &[L::T], shift: usize) -> L::V {
        if INSIDE {
            return l.load(&row[self.0 + shift - 1..]);
        }
        let mut samples = [l.splat(L::T::NAN)];
        let lanes: &mut [L::T] = bytemuck::cast_slice_mut(&mut samples);
        for (x, lane) in (self.0 + shift..).zip(lanes) {
            if let Some(&sample) = x.checked_sub(1).and_then(|x| row.get(x)) {
                *lane = sample;
            }
        }
        samples[0]
    }
}

impl<'a, L: Lanes> Pixels<'a, L> {
    #[inline(always)]
    fn new(l: L, around: Around<'a, L::T>, columns: &'a Columns<L::T>, cols: usize) -> Self {
        let Around { light, y, structure, .. } = around;
        let (error, stands_out) = match &light.base {
            Base::Error(error, scale) => {
                (Some((&error.row(y)[..cols], l.splat(*scale))), STANDS_OUT)
            }
            Base::Level(_) => (None, 1.0),
        };
        Self {
            l,
            y,
            minimum: around.rows(light.minimum).map(|row| &row[..cols]),
            smooth: around.rows(light.smooth).map(|row| &row[..cols]),
            residual: &light.residuals.row(y)[..cols],
            contrast: &light.contrasts.row(y)[..cols],
            columns,
            structure: &structure[..cols],
            error,
            stands_out: l.splat(L::T::nearest(stands_out)),
            light,
        }
    }

    /// The base, the noise and the weakest contrast of some adjacent pixels.
    #[inline(always)]
    fn weigh<const INSIDE: bool>(
        &self,
        at: At<INSIDE>,
        (scatter, usual): (L::V, L::V),
    ) -> [L::V; 3] {
        let l = self.l;
        let contrast = at.of(l, self.contrast, 1);
        let base = self.base(at, scatter);
        let light = self.light(at, base, contrast);
        let mut noise = l.select(l.less(light, base), base, light);
        let structure = l.sub(at.of(l, self.structure, 1), usual);
        let part = |part| l.splat(L::T::nearest(part));
        noise = at_least(l, noise, l.mul(structure, part(STRUCTURE)));
        let (sample, smooth) = (at.of(l, self.minimum[1], 1), at.of(l, self.smooth[1], 1));
        let dispersion = self.light.dispersion;
        let mut dark = l.splat(L::T::NAN);
        for (axis, [before, after]) in NEIGHBOURS {
            let first = at.of(l, self.minimum[before.0], before.1);
            let second = at.of(l, self.minimum[after.0], after.1);
            let along = if dispersion.is_none_or(|dispersion| dispersion == axis) {
                for (row, shift) in [before, after] {
                    let step = l.sub(smooth, at.of(l, self.smooth[row], shift));
                    let slope = l.magnitude(step);
                    noise = at_least(l, noise, l.mul(slope, part(SLOPE)));
                }
                lesser(l, first, second)
            } else {
                greater(l, first, second)
            };
            dark = greater(l, l.sub(sample, along), dark);
        }
        let residual = at.of(l, self.residual, 1);
        let least = greater(l, residual, l.mul(dark, part(DARK)));
        let zero = l.splat(L::T::ZERO);
        let least = l.select(l.less(least, zero), least, zero);
        let most = l.select(l.less(zero, residual), l.splat(L::T::INFINITY), zero);
        let weakest = l.select(l.less(contrast, least), least, contrast);
        [base, noise, l.select(l.less(most, weakest), most, weakest)]
    }

    /// The greater of scatter and scaled error.
    #[inline(always)]
    fn base<const INSIDE: bool>(&self, at: At<INSIDE>, scatter: L::V) -> L::V {
        let Some((error, scale)) = self.error else { return scatter };
        let (l, error) = (self.l, at.of(self.l, error, 1));
        let without = l.mul(scatter, l.splat(L::T::nearest(WITHOUT_ERROR)));
        let scaled = l.select(l.less(error, l.splat(L::T::INFINITY)), l.mul(error, scale), without);
        let other = l.select(l.less(l.splat(L::T::ZERO), error), scaled, without);
        l.select(l.less(other, scatter), scatter, other)
    }

    /// The third greatest contrast of the squares around pixels, where it stands out from the base,
    /// and the pixel is no halo; else 0.
    #[inline(always)]
    fn light<const INSIDE: bool>(&self, at: At<INSIDE>, base: L::V, contrast: L::V) -> L::V {
        let l = self.l;
        let (third, limit) = (self.columns.third(l, at.0), l.mul(base, self.stands_out));
        let stands_out = l.less(limit, third);
        let mut light = [l.select(stands_out, third, l.splat(L::T::ZERO))];
        if l.any(stands_out) {
            let (light, contrast) = (bytemuck::cast_slice_mut(&mut light), [contrast]);
            self.remove_halos(at.0, light, bytemuck::cast_slice(&contrast));
        }
        light[0]
    }

    /// Replaces by 0 the light of pixels that may be halos.
    #[inline(always)]
    fn remove_halos(&self, x: usize, light: &mut [L::T], contrast: &[L::T]) {
        for (x, (light, &contrast)) in (x..).zip(light.iter_mut().zip(contrast)) {
            let may_be_halo = || may_be_halo(self.light.residuals, (self.y, x), contrast);
            if *light > L::T::ZERO && may_be_halo() {
                *light = L::T::ZERO;
            }
        }
    }
}

/// The rows and shifts of the two neighbours along each axis.
const NEIGHBOURS: [(Axis, [(usize, usize); 2]); 2] =
    [(Axis::Y, [(0, 1), (2, 1)]), (Axis::X, [(1, 0), (1, 2)])];

/// The noise, or a greater part of it. Where the part is NaN, the noise.
#[inline(always)]
fn at_least<L: Lanes>(l: L, noise: L::V, part: L::V) -> L::V {
    l.select(l.less(noise, part), part, noise)
}

/// The greater of each pair; if one is NaN, the other.
#[inline(always)]
fn greater<L: Lanes>(l: L, a: L::V, b: L::V) -> L::V {
    l.select(l.equal(a, a), l.select(l.less(a, b), b, a), b)
}

/// The lesser of each pair; if one is NaN, the other.
#[inline(always)]
fn lesser<L: Lanes>(l: L, a: L::V, b: L::V) -> L::V {
    l.select(l.equal(a, a), l.select(l.less(b, a), b, a), b)
}

/// Divides contrasts by the noise, and bright ones by `blunt` too.
#[inline(always)]
fn divide<T: Sample>(contrasts: &mut [T], noise: &[T], blunt: T) {
    for (contrast, &noise) in contrasts.iter_mut().zip(noise) {
        let is_infinite = contrast.magnitude() == T::INFINITY;
        let divisor = if *contrast > T::ZERO { blunt } else { T::from(1) };
        *contrast = if is_infinite { *contrast } else { *contrast / noise.magnitude() / divisor };
    }
}

#[cfg(test)]
mod tests {
    use super::{Base, Light, Weigh};
    use crate::median::Axis;
    use crate::significance::base::NoiseByLevel;
    use crate::testing::{special_samples, with_each};
    use crate::{Image, Sample};
    use pulp::{Simd, WithSimd};

    /// The noise and the significance of all pixels.
    struct WeighAll<'a, T> {
        light: &'a Light<'a, T>,
        structure: &'a [T],
        scatter: &'a [T],
        usual: &'a [T],
    }

    impl<T: Sample> WithSimd for WeighAll<'_, T> {
        type Output = Vec<T>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<T> {
            let Self { light, structure, scatter, usual } = self;
            let (mut noise, mut significance) = (scatter.to_vec(), usual.to_vec());
            let (noise_out, out) = (&mut noise[..], &mut significance[..]);
            let (cut, blunt) = (T::from(2), T::nearest(1.2));
            let weigh = Weigh {
                light,
                first: 0,
                structure,
                noise: noise_out,
                significance: out,
                cut,
                blunt,
            };
            let candidates = weigh.with_simd(simd).unwrap();
            let place = |at: usize| T::from(i16::try_from(at).unwrap());
            let candidates = candidates.iter().flat_map(|each| [place(each.at), each.base]);
            [noise, significance, candidates.collect()].concat()
        }
    }

    fn assert_equal_with_each_instruction_set<T: Sample>(greatest: T) {
        let rows = 5;
        for cols in 1..40 {
            let planes: Vec<Vec<T>> =
                (0..8).map(|seed| special_samples(greatest, rows * cols, seed)).collect();
            let image = |plane: usize| Image::new(&planes[plane], rows, cols).unwrap();
            for dispersion in [Some(Axis::X), Some(Axis::Y), None] {
                for base in [
                    Base::Error(image(4), T::from(2)),
                    Base::Level(NoiseByLevel::new(image(0), image(3)).unwrap()),
                ] {
                    let light = Light {
                        minimum: image(0),
                        smooth: image(1),
                        residuals: image(2),
                        contrasts: image(3),
                        base,
                        dispersion,
                    };
                    let magnitudes =
                        |plane: usize| planes[plane].iter().map(|sample| sample.magnitude());
                    let [structure, scatter, usual] =
                        [5, 6, 7].map(|plane| magnitudes(plane).collect::<Vec<_>>());
                    let (structure, scatter, usual) = (&*structure, &*scatter, &*usual);
                    let light = &light;
                    let all = with_each(|| WeighAll { light, structure, scatter, usual });
                    let same = |(&a, &b): (&T, &T)| a == b || a.is_nan() && b.is_nan();
                    for pair in all.windows(2) {
                        assert!(pair[0].iter().zip(&pair[1]).all(same), "{cols} {dispersion:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_noise() {
        assert_equal_with_each_instruction_set(f32::MAX);
        assert_equal_with_each_instruction_set(f64::MAX);
    }
}

//! Whether the edges of a group are sharper than those of light.

use super::super::SAMPLED;
use super::groups::{Extent, Groups, LONGEST, Pixel, Place, around};
use super::{Blur, Level};
use crate::median::Axis;
use crate::{Image, Sample};

/// The part of the expected light that may stand outside a defect.
const SHARE: f64 = 0.35;
/// The same in each of the two directions.
const SHARE_OF_DIRECTION: f64 = 0.6;
/// A pixel below minus this times the base is light: a running median leaves troughs beside it.
const TROUGH: f64 = 2.0;
/// The noise of the pixels outside, in standard deviations, that may be added to the part.
const ALLOWANCE: f64 = 0.5;
/// A group has no pixel fainter than this part of its peak: that far out, the light of a line
/// differs little from charge.
const FAINTEST: f64 = 0.01;
/// The same where light is undersampled: its flanks are as steep as edges nearer to the peak.
const FAINTEST_UNDERSAMPLED: f64 = 0.05;
/// A pixel that is brighter than this part of another is nearly as bright.
const NEARLY: f64 = 0.7;
/// Pixels from a group to those that show the light beside it: charge reaches the next one.
const BESIDE: usize = 2;
/// Pixels on each side that show it.
const SIDE: usize = 2;

/// Judges the edges of groups.
///
/// For each pixel p of a group and each of its four neighbours q outside it, light whose peak is
/// the brightest pixel P of the group would leave at q at least
/// `p exp(-sqrt(2 ln(P / p)) / s - 1 / (2 s^2))`: the flank of a Gaussian of standard deviation s at
/// the height p, one pixel further out. What is there is the brightness of q, less the charge that
/// its neighbours have lost to it.
pub(super) struct Judge<'a, T> {
    residuals: Image<'a, T>,
    smooth: Option<Image<'a, T>>,
    pub(super) level: Level,
    dispersion: Option<Axis>,
    coupling: f64,
    /// Standard deviations of the narrowest light, along the dispersion and across it.
    widths: [f64; 2],
    /// The part of the peak that the faintest pixel of a group has at least.
    faintest: f64,
    pub(super) cut: T,
}

/// The sums over the pairs of pixels in one direction, in units of the peak.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    there: f64,
    expected: f64,
    variance: f64,
}

impl Sums {
    fn with(self, other: Self) -> Self {
        Self {
            there: self.there + other.there,
            expected: self.expected + other.expected,
            variance: self.variance + other.variance,
        }
    }

    fn is_sharp(self, share: f64, allowance: f64) -> bool {
        self.there <= share * self.expected + allowance * self.variance.sqrt()
    }
}

/// The levels of light in the lines across the dispersion around a group.
struct Levels {
    /// The first line of the group, the second one here.
    first: usize,
    values: [f64; LONGEST + 2],
}

impl<'a, T: Sample> Judge<'a, T> {
    pub(super) fn new(
        residuals: Image<'a, T>,
        level: Level,
        dispersion: Option<Axis>,
        blur: Blur,
        cut: f64,
    ) -> Self {
        let Blur { coupling, along, across } = blur;
        // Without an axis, light may be as narrow in either direction.
        let along = if dispersion.is_none() { along.min(across) } else { along };
        let across = if dispersion.is_none() { along } else { across };
        let faintest = if across < SAMPLED { FAINTEST_UNDERSAMPLED } else { FAINTEST };
        let (widths, cut) = ([along, across], T::at_most(cut));
        Self { residuals, smooth: None, level, dispersion, coupling, widths, faintest, cut }
    }

    /// Groups must be brighter than the slope of this image.
    pub(super) fn above_slope_of(self, smooth: Option<Image<'a, T>>) -> Self {
        Self { smooth, ..self }
    }

    /// Whether the group of the pixel that joined last may be complete: if a neighbour is nearly as
    /// bright, that one joins next.
    ///
    /// This leaves out nearly all groups within bright light. Those on bright light are few.
    pub(super) fn is_complete(&self, groups: &Groups<'_, T>, number: u32) -> bool {
        let Pixel { at, brightness, .. } = groups.pixels[number as usize];
        let limit = brightness * T::nearest(NEARLY);
        let samples = self.residuals.samples();
        self.level == Level::Beside
            || !around(self.place(at), self.shape()).flatten().any(|neighbour| {
                let value = samples[neighbour];
                value > limit && value.is_finite() && groups.is_outside(neighbour)
            })
    }

    /// Whether a pixel of a group is brighter than the step of the smooth light to its neighbour
    /// along the dispersion. On the flank of a line, a missing sample shifts the running median by
    /// as much.
    pub(super) fn is_above_slope(&self, groups: &Groups<'_, T>, group: u32) -> bool {
        let Some(smooth) = self.smooth else { return true };
        let along = match self.dispersion {
            Some(Axis::Y) => 0..2,
            Some(Axis::X) => 2..4,
            None => 0..4,
        };
        let light = smooth.samples();
        groups.pixels(group).any(|&Pixel { at, brightness, .. }| {
            let sides = &self.neighbours(at)[along.clone()];
            let steps = sides.iter().flatten().map(|&other| (light[at] - light[other]).magnitude());
            let slope = steps.fold(T::NAN, T::greater);
            brightness > slope || slope.is_nan()
        })
    }

    /// Whether a group is small and has sharp edges.
    pub(super) fn is_sharp(&self, groups: &Groups<'_, T>, group: u32) -> bool {
        let extent = groups.members[group as usize].extent;
        if !extent.is_small() {
            return false;
        }
        let levels = Levels { first: self.line(extent.first), values: self.levels(extent) };
        let brightness =
            |pixel: &Pixel<T>| self.value(pixel.at) - self.level(&levels, self.place(pixel.at));
        let peak = groups.pixels(group).map(brightness).fold(0.0, f64::max);
        let faintest = groups.pixels(group).map(brightness).fold(f64::INFINITY, f64::min);
        if peak <= 0.0 || faintest < self.faintest * peak {
            return false;
        }
        let mut sums = [Sums::default(); 2];
        for pixel in groups.pixels(group) {
            let [along, across] = self.pairs(groups, pixel, &levels, peak);
            sums = [sums[0].with(along), sums[1].with(across)];
        }
        let allowance = if self.level == Level::Beside { ALLOWANCE } else { 0.0 };
        let [along, across] = sums;
        along.with(across).is_sharp(SHARE, allowance)
            && along.is_sharp(SHARE_OF_DIRECTION, allowance)
            && across.is_sharp(SHARE_OF_DIRECTION, allowance)
    }

    /// The sums over the pairs of a pixel with the neighbours outside its group.
    fn pairs(
        &self,
        groups: &Groups<'_, T>,
        &Pixel { at, base, .. }: &Pixel<T>,
        levels: &Levels,
        peak: f64,
    ) -> [Sums; 2] {
        let (base, own_level): (f64, _) = (base.into(), self.level(levels, self.place(at)));
        let expected = self.expected((self.value(at) - own_level) / peak);
        let mut sums = [Sums::default(); 2];
        for (side, outside) in self.neighbours(at).into_iter().enumerate() {
            let Some(outside) = outside else { continue };
            if self.value(outside).is_finite() && groups.is_outside(outside) {
                // The first two are along y.
                let direction = usize::from((side < 2) == (self.dispersion == Some(Axis::X)));
                let level = own_level.min(self.level(levels, self.place(outside)));
                sums[direction] = sums[direction].with(Sums {
                    there: self.there(outside, level, base) / peak,
                    expected: expected[direction],
                    variance: (base / peak) * (base / peak),
                });
            }
        }
        sums
    }

    /// The light of a pixel outside a group above a level.
    fn there(&self, at: usize, level: f64, base: f64) -> f64 {
        let above = self.value(at) - level;
        let light = if above < -TROUGH * base { -above } else { above };
        let charges = self.neighbours(at).into_iter().flatten().map(|at| self.value(at) - level);
        let charge: f64 = charges.filter(|&value| value > 0.0 && value < f64::INFINITY).sum();
        (light - self.coupling * charge).max(above.min(0.0))
    }

    /// What light leaves one pixel further out, along the dispersion and across it, where its
    /// brightness is `part` of its peak.
    fn expected(&self, part: f64) -> [f64; 2] {
        if part.is_nan() || part <= 0.0 {
            return [0.0; 2];
        }
        let distance = (-2.0 * part.ln()).sqrt();
        let [along, across] = self.widths;
        let outside = |width: f64| part * (-distance / width - 0.5 / (width * width)).exp();
        let expected = outside(along);
        [expected, if across == along { expected } else { outside(across) }]
    }

    /// The levels of light in the lines of a group across the dispersion, and in those before and
    /// after it.
    fn levels(&self, extent: Extent) -> [f64; LONGEST + 2] {
        let mut levels = [0.0; LONGEST + 2];
        if self.level == Level::Beside {
            let (first, last) = (self.line(extent.first), self.line(extent.last));
            for (level, line) in levels.iter_mut().zip(first..last + 3) {
                // Lines are counted from 1, so that there is one before the first.
                *level = line.checked_sub(1).map_or(0.0, |line| self.beside(line, extent));
            }
        }
        levels
    }

    /// The light beside a group in a line across the dispersion: the lesser of its two sides.
    fn beside(&self, line: usize, extent: Extent) -> f64 {
        let (first, last) = (self.across(extent.first), self.across(extent.last));
        let mean = |places: [Option<usize>; SIDE]| {
            let (mut sum, mut count) = (0.0, 0.0);
            for at in places.into_iter().flatten().filter_map(|place| self.in_line(line, place)) {
                let value = self.value(at);
                if value.is_finite() {
                    sum += value;
                    count += 1.0;
                }
            }
            sum / count // NaN where nothing is known
        };
        let steps: [usize; SIDE] = std::array::from_fn(|step| BESIDE + step);
        let before = mean(steps.map(|step| first.checked_sub(step)));
        let after = mean(steps.map(|step| Some(last + step)));
        let lesser = before.min(after); // the other one if one is NaN
        if lesser.is_nan() { 0.0 } else { lesser }
    }

    fn level(&self, levels: &Levels, place: Place) -> f64 {
        levels.values[self.line(place) + 1 - levels.first]
    }

    fn place(&self, at: usize) -> Place {
        (at / self.residuals.cols(), at % self.residuals.cols())
    }

    pub(super) fn shape(&self) -> (usize, usize) {
        (self.residuals.rows(), self.residuals.cols())
    }

    fn value(&self, at: usize) -> f64 {
        self.residuals.samples()[at].into()
    }

    /// The four neighbours above, below, to the left and to the right; `None` beyond the border.
    fn neighbours(&self, at: usize) -> [Option<usize>; 4] {
        let ((y, x), (rows, cols)) = (self.place(at), self.shape());
        [
            (y > 0).then(|| at - cols),
            (y + 1 < rows).then_some(at + cols),
            (x > 0).then(|| at - 1),
            (x + 1 < cols).then_some(at + 1),
        ]
    }

    /// The line across the dispersion in which a pixel lies.
    fn line(&self, (y, x): Place) -> usize {
        if self.dispersion == Some(Axis::X) { x } else { y }
    }

    /// The place of a pixel in its line.
    fn across(&self, (y, x): Place) -> usize {
        if self.dispersion == Some(Axis::X) { y } else { x }
    }

    /// The pixel at a place of a line; `None` outside the image.
    fn in_line(&self, line: usize, place: usize) -> Option<usize> {
        let (rows, cols) = self.shape();
        let (y, x) = if self.dispersion == Some(Axis::X) { (place, line) } else { (line, place) };
        (y < rows && x < cols).then_some(y * cols + x)
    }
}

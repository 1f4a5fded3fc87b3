//! Groups of pixels with edges that are sharper than those of light.
//!
//! No light ends within one pixel: along the dispersion it is as wide as the line-spread function,
//! across it as the point-spread function. A defect ends where its pixels end. So a group of
//! adjacent pixels is a defect if hardly any light stands just outside its border, compared with
//! what the narrowest light of that height would leave there.
//!
//! The brightest pixel comes first, the others follow. Each pixel begins a group, or joins the
//! groups that it touches (8 neighbours) to one. A group that has changed is judged ([`Judge`]). A
//! group with sharp edges is flagged, and its pixels are missing from then on: the neighbours that
//! a bright pixel has lit are then groups of their own.
//!
//! This is done twice, independently: with the brightness above the running median along the
//! dispersion, and with the brightness above the light beside the group, for groups on bright light.
//! No group depends on what happens at lower brightness. So a lower cut flags the same pixels and
//! further ones.

use super::Criteria;
use crate::median::Axis;
use crate::{Error, Image, Sample, memory};

/// How far light and charge spread on a detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blur {
    /// The part of a pixel's signal that appears in each of its four neighbours.
    pub coupling: f64,
    /// The standard deviation of the narrowest light along the dispersion, in pixels.
    pub along: f64,
    /// The standard deviation of the narrowest light across the dispersion, in pixels.
    pub across: f64,
}

/// The most rows and the most columns of a group. Strips of lines are longer.
const LONGEST: usize = 9;
/// The part of the expected light that may stand outside a defect.
const SHARE: f64 = 0.35;
/// The same in each of the two directions.
const SHARE_OF_DIRECTION: f64 = 0.6;
/// A pixel below minus this times the base is light: a running median leaves troughs beside it.
const TROUGH: f64 = 2.0;
/// The noise of the pixels outside, in standard deviations, that may be added to the part.
const ALLOWANCE: f64 = 0.5;
/// Pixels from a group to those that show the light beside it: charge reaches the next one.
const BESIDE: usize = 2;
/// Pixels on each side that show it.
const SIDE: usize = 2;

/// A pixel that may belong to a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<T> {
    pub(super) at: usize,
    /// The base of its noise.
    pub(super) base: T,
    /// Its residual, and its contrast.
    pub(super) brightness: [T; 2],
}

/// A pixel of a group with sharp edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sharp<T> {
    pub(super) at: usize,
    /// Its brightness in units of the base.
    pub(super) significance: T,
    pub(super) base: T,
    /// The number of its group, from 1 on.
    group: u32,
}

/// The pixels above the cut that belong to groups with sharp edges. A pixel may be listed twice.
///
/// `labels` are two images for the use of this function.
pub(super) fn sharp<T: Sample>(
    residuals: Image<'_, T>,
    candidates: &[Candidate<T>],
    criteria: &Criteria,
    [labels, other_labels]: [&mut [u32]; 2],
) -> Result<Vec<Sharp<T>>, Error> {
    let &Criteria { dispersion, blur, upper, .. } = criteria;
    let flag = |level, labels: &mut [u32]| {
        labels.fill(NONE);
        Groups::flag(&Judge::new(residuals, level, dispersion, blur, upper), candidates, labels)
    };
    if dispersion.is_none() {
        return flag(Level::Zero, labels);
    }
    let (found, further) =
        rayon::join(|| flag(Level::Zero, labels), || flag(Level::Beside, other_labels));
    let mut found = found?;
    memory::extend(&mut found, further?)?;
    Ok(found)
}

/// Numbers the groups with sharp edges, from 1 on: 0 is a pixel that belongs to none.
///
/// The pixels of groups are above `level` in units of `bases`. The group of a brighter pixel, in
/// these units, has a lower number. Pixels in `missing` count as if they had no value.
///
/// # Errors
/// [`Error::Shape`] if the images differ in shape. [`Error::Memory`] if there is too little.
pub fn sharp_groups<T: Sample>(
    residuals: Image<'_, T>,
    bases: Image<'_, T>,
    missing: &[bool],
    level: f64,
    dispersion: Option<Axis>,
    blur: Blur,
) -> Result<Vec<u32>, Error> {
    let (rows, cols) = (residuals.rows(), residuals.cols());
    for (len, same) in [
        (bases.samples().len(), (bases.rows(), bases.cols()) == (rows, cols)),
        (missing.len(), missing.len() == residuals.samples().len()),
    ] {
        if !same {
            return Err(Error::Shape { len, rows, cols });
        }
    }
    let judge = Judge::new(residuals, Level::Zero, dispersion, blur, level);
    let mut labels = memory::filled(NONE, missing.len())?;
    let mut candidates = Vec::new();
    let pixels = residuals.samples().iter().zip(bases.samples()).zip(missing);
    for (at, ((&brightness, &base), &missing)) in pixels.enumerate() {
        if missing {
            labels[at] = MISSING;
        } else if brightness / base > judge.cut {
            memory::push(&mut candidates, Candidate { at, base, brightness: [brightness; 2] })?;
        }
    }
    let found = Groups::flag(&judge, &candidates, &mut labels)?;
    labels.fill(0);
    for pixel in found {
        labels[pixel.at] = pixel.group;
    }
    Ok(labels)
}

/// A pixel without a group.
const NONE: u32 = 0;
/// A pixel that is flagged.
const MISSING: u32 = u32::MAX;

/// All groups so far. Each pixel has a number from 1 on: its place in the order of brightness. The
/// number of a group is that of one of its pixels.
struct Groups<'a, T> {
    pixels: Vec<Pixel<T>>,
    /// The number of each pixel of the image, or `NONE` or `MISSING`.
    labels: &'a mut [u32],
}

/// A pixel of a group, and what is known of the group if the pixel gives it its number.
#[derive(Debug, Clone, Copy)]
struct Pixel<T> {
    sharp: Sharp<T>,
    brightness: T,
    /// A pixel of the same group, nearer to the one that gives it its number; that one has its own.
    parent: u32,
    /// The next pixel of the group; `NONE` after the last.
    next: u32,
    last: u32,
    extent: Extent,
}

/// The rows and columns of a group, both ends included.
#[derive(Debug, Clone, Copy)]
struct Extent {
    first: (usize, usize),
    last: (usize, usize),
}

impl Extent {
    fn with(self, other: Self) -> Self {
        let least = |a: (usize, usize), b: (usize, usize)| (a.0.min(b.0), a.1.min(b.1));
        let greatest = |a: (usize, usize), b: (usize, usize)| (a.0.max(b.0), a.1.max(b.1));
        Self { first: least(self.first, other.first), last: greatest(self.last, other.last) }
    }

    fn is_small(self) -> bool {
        self.last.0 - self.first.0 < LONGEST && self.last.1 - self.first.1 < LONGEST
    }
}

impl<'a, T: Sample> Groups<'a, T> {
    /// The pixels of the groups with sharp edges. No pixel has a group in `labels`.
    fn flag(
        judge: &Judge<'_, T>,
        candidates: &[Candidate<T>],
        labels: &'a mut [u32],
    ) -> Result<Vec<Sharp<T>>, Error> {
        let pixels = brightest_first(judge, candidates)?;
        let mut groups = Self { pixels, labels };
        let (mut found, mut changed) = (Vec::new(), Vec::new());
        let (mut first, mut count_found) = (0, 0);
        while let Some(pixel) = groups.pixels.get(first) {
            let same = (pixel.sharp.significance, pixel.brightness);
            let equal = |other: &Pixel<T>| (other.sharp.significance, other.brightness) == same;
            let count = groups.pixels[first..].iter().take_while(|other| equal(other)).count();
            changed.clear();
            for place in first..first + count {
                memory::push(&mut changed, groups.add(place, judge.residuals))?;
            }
            for &number in &changed {
                let Pixel { sharp, parent, .. } = *groups.pixel(number);
                // It may have joined another one, or be flagged already.
                let is_group = parent == number && groups.labels[sharp.at] != MISSING;
                if is_group && judge.is_sharp(&groups, number) {
                    count_found += 1;
                    groups.remove(number, count_found, &mut found)?;
                }
            }
            first += count;
        }
        Ok(found)
    }

    fn pixel(&self, number: u32) -> &Pixel<T> {
        &self.pixels[number as usize - 1]
    }

    fn pixel_mut(&mut self, number: u32) -> &mut Pixel<T> {
        &mut self.pixels[number as usize - 1]
    }

    /// The number of the group of a pixel. Halves the way to it.
    fn root(&mut self, mut number: u32) -> u32 {
        while self.pixel(number).parent != number {
            let parent = self.pixel(number).parent;
            let beyond = self.pixel(parent).parent;
            self.pixel_mut(number).parent = beyond;
            number = beyond;
        }
        number
    }

    /// Adds the pixel at this place of the order, and returns the number of its group.
    #[allow(clippy::cast_possible_truncation)] // `brightest_first` has checked that numbers fit
    fn add(&mut self, place: usize, image: Image<'_, T>) -> u32 {
        let mut number = place as u32 + 1;
        let at = self.pixels[place].sharp.at;
        let (y, x) = (at / image.cols(), at % image.cols());
        self.labels[at] = number;
        for v in y.saturating_sub(1)..(y + 2).min(image.rows()) {
            for u in x.saturating_sub(1)..(x + 2).min(image.cols()) {
                let neighbour = self.labels[v * image.cols() + u];
                if neighbour != NONE && neighbour != MISSING {
                    let other = self.root(neighbour);
                    number = self.join(other, number);
                }
            }
        }
        number
    }

    /// Joins two groups, and returns the number of both. The older one, with the brighter pixel,
    /// keeps its number.
    fn join(&mut self, a: u32, b: u32) -> u32 {
        let (older, newer) = (a.min(b), a.max(b));
        if older != newer {
            let Pixel { last, extent, .. } = *self.pixel(newer);
            let end = self.pixel(older).last;
            self.pixel_mut(newer).parent = older;
            self.pixel_mut(end).next = newer;
            let root = self.pixel_mut(older);
            (root.last, root.extent) = (last, root.extent.with(extent));
        }
        older
    }

    /// The pixels of a group.
    fn members(&self, number: u32) -> impl Iterator<Item = &Pixel<T>> {
        let next = |number: u32| (number != NONE).then(|| self.pixel(number));
        std::iter::successors(next(number), move |pixel| next(pixel.next))
    }

    /// Removes a group, and appends its pixels to those that were found.
    fn remove(
        &mut self,
        mut number: u32,
        group: u32,
        found: &mut Vec<Sharp<T>>,
    ) -> Result<(), Error> {
        while number != NONE {
            let Pixel { sharp, next, .. } = *self.pixel(number);
            self.labels[sharp.at] = MISSING;
            memory::push(found, Sharp { group, ..sharp })?;
            number = next;
        }
        Ok(())
    }
}

/// The candidates above the cut, each a group of its own, from the brightest in units of its base.
fn brightest_first<T: Sample>(
    judge: &Judge<'_, T>,
    candidates: &[Candidate<T>],
) -> Result<Vec<Pixel<T>>, Error> {
    let mut pixels = memory::with_capacity(candidates.len())?;
    for &Candidate { at, base, brightness } in candidates {
        let brightness = brightness[usize::from(judge.level == Level::Beside)];
        let significance = brightness / base;
        if significance > judge.cut && brightness.is_finite() {
            let place = judge.place(at);
            let sharp = Sharp { at, significance, base, group: 0 };
            let extent = Extent { first: place, last: place };
            pixels.push(Pixel { sharp, brightness, parent: 0, next: NONE, last: 0, extent });
        }
    }
    pixels.sort_unstable_by(|a, b| {
        let by_significance = b.sharp.significance.order(&a.sharp.significance);
        by_significance.then_with(|| b.brightness.order(&a.brightness))
    });
    let too_many = Error::Memory { bytes: usize::MAX };
    for (number, pixel) in (1..MISSING).zip(&mut pixels) {
        (pixel.parent, pixel.last) = (number, number);
    }
    match u32::try_from(pixels.len()) {
        Ok(count) if count < MISSING => Ok(pixels),
        _ => Err(too_many),
    }
}

/// What is subtracted from the brightness.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Level {
    /// Nothing.
    Zero,
    /// The light beside the group.
    Beside,
}

/// Judges the edges of groups.
///
/// For each pixel p of a group and each of its four neighbours q outside it, light whose peak is the
/// brightest pixel P of the group would leave at least `p exp(-sqrt(2 ln(P / p)) / s - 1 / (2 s^2))`
/// at q: the flank of a Gaussian of standard deviation s at the height p, one pixel further out.
/// What is there is the brightness of q, less the charge that its neighbours have lost to it.
struct Judge<'a, T> {
    residuals: Image<'a, T>,
    level: Level,
    dispersion: Option<Axis>,
    coupling: f64,
    /// Standard deviations of the narrowest light, along the dispersion and across it.
    widths: [f64; 2],
    cut: T,
}

/// The sums over the pairs of pixels in one direction, in units of the peak.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    there: f64,
    expected: f64,
    variance: f64,
}

impl Sums {
    fn is_sharp(self, share: f64, allowance: f64) -> bool {
        self.there <= share * self.expected + allowance * self.variance.sqrt()
    }
}

impl<'a, T: Sample> Judge<'a, T> {
    fn new(
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
        let cut = T::at_most(cut);
        Self { residuals, level, dispersion, coupling, widths: [along, across], cut }
    }

    /// Whether a group is small and has sharp edges.
    fn is_sharp(&self, groups: &Groups<'_, T>, number: u32) -> bool {
        let extent = groups.pixel(number).extent;
        if !extent.is_small() {
            return false;
        }
        let levels = self.levels(groups, extent);
        let level = |place| levels[self.line(place) + 1 - self.line(extent.first)];
        let brightness = |pixel: &Pixel<T>| {
            let value: f64 = self.residuals.samples()[pixel.sharp.at].into();
            value - level(self.place(pixel.sharp.at))
        };
        let peak = groups.members(number).map(brightness).fold(0.0, f64::max);
        if peak <= 0.0 {
            return false;
        }
        let mut sums = [Sums::default(); 2];
        for pixel in groups.members(number) {
            let place = self.place(pixel.sharp.at);
            let expected = self.expected(brightness(pixel) / peak);
            let base: f64 = pixel.sharp.base.into();
            for (direction, neighbour) in self.neighbours(place) {
                let at = self.at(neighbour);
                // A neighbour with a label is flagged or of the same group: groups that touch join.
                if groups.labels[at] != NONE || !self.residuals.samples()[at].is_finite() {
                    continue;
                }
                let sum = &mut sums[direction];
                let level = level(place).min(level(neighbour));
                sum.there += self.there(neighbour, level, base) / peak;
                sum.expected += expected[direction];
                sum.variance += (base / peak) * (base / peak);
            }
        }
        let allowance = if self.level == Level::Beside { ALLOWANCE } else { 0.0 };
        let [along, across] = sums;
        let both = Sums {
            there: along.there + across.there,
            expected: along.expected + across.expected,
            variance: along.variance + across.variance,
        };
        both.is_sharp(SHARE, allowance)
            && along.is_sharp(SHARE_OF_DIRECTION, allowance)
            && across.is_sharp(SHARE_OF_DIRECTION, allowance)
    }

    /// The brightness of a neighbour outside a group.
    fn there(&self, place: (usize, usize), level: f64, base: f64) -> f64 {
        let value: f64 = self.residuals.samples()[self.at(place)].into();
        let above = value - level;
        let light = if above < -TROUGH * base { -above } else { above };
        let around = self
            .neighbours(place)
            .map(|(_, at)| -> f64 { self.residuals.samples()[self.at(at)].into() });
        let charge: f64 = around.filter(|&value| value > 0.0 && value < f64::INFINITY).sum();
        (light - self.coupling * charge).max(above.min(0.0))
    }

    /// What light leaves one pixel further out, along the dispersion and across it, where its
    /// brightness is `part` of its peak.
    fn expected(&self, part: f64) -> [f64; 2] {
        if part.is_nan() || part <= 0.0 {
            return [0.0; 2];
        }
        let distance = (-2.0 * part.ln()).sqrt();
        self.widths.map(|width| part * (-distance / width - 0.5 / (width * width)).exp())
    }

    /// The levels of light in the lines of a group across the dispersion, and in those before and
    /// after it.
    fn levels(&self, groups: &Groups<'_, T>, extent: Extent) -> [f64; LONGEST + 2] {
        let mut levels = [0.0; LONGEST + 2];
        if self.level == Level::Beside {
            let (first, last) = (self.line(extent.first), self.line(extent.last));
            for (level, line) in levels.iter_mut().zip(first..last + 3) {
                // Lines are counted from 1, so that there is one before the first.
                *level = line.checked_sub(1).map_or(0.0, |line| self.beside(groups, line, extent));
            }
        }
        levels
    }

    /// The light beside a group in a line across the dispersion: the lesser of its two sides.
    fn beside(&self, groups: &Groups<'_, T>, line: usize, extent: Extent) -> f64 {
        let (first, last) = (self.across(extent.first), self.across(extent.last));
        let mean = |places: [Option<usize>; SIDE]| {
            let (mut sum, mut count) = (0.0, 0.0);
            for place in places.into_iter().flatten() {
                let Some(at) = self.in_line(line, place) else { continue };
                let value: f64 = self.residuals.samples()[at].into();
                if value.is_finite() && groups.labels[at] != MISSING {
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

    /// The four neighbours of a pixel inside the image, and whether they are along the dispersion (0)
    /// or across it (1).
    fn neighbours(
        &self,
        (y, x): (usize, usize),
    ) -> impl Iterator<Item = (usize, (usize, usize))> + use<T> {
        let (rows, cols) = (self.residuals.rows(), self.residuals.cols());
        let along_x = self.dispersion == Some(Axis::X);
        let (vertical, horizontal) = (usize::from(along_x), usize::from(!along_x));
        let above = y.checked_sub(1).map(|y| (vertical, (y, x)));
        let below = (y + 1 < rows).then_some((vertical, (y + 1, x)));
        let left = x.checked_sub(1).map(|x| (horizontal, (y, x)));
        let right = (x + 1 < cols).then_some((horizontal, (y, x + 1)));
        [above, below, left, right].into_iter().flatten()
    }

    fn place(&self, at: usize) -> (usize, usize) {
        (at / self.residuals.cols(), at % self.residuals.cols())
    }

    fn at(&self, (y, x): (usize, usize)) -> usize {
        y * self.residuals.cols() + x
    }

    /// The line across the dispersion in which a pixel lies.
    fn line(&self, (y, x): (usize, usize)) -> usize {
        if self.dispersion == Some(Axis::X) { x } else { y }
    }

    /// The place of a pixel in its line.
    fn across(&self, (y, x): (usize, usize)) -> usize {
        if self.dispersion == Some(Axis::X) { y } else { x }
    }

    /// The pixel at a place of a line; `None` outside the image.
    fn in_line(&self, line: usize, place: usize) -> Option<usize> {
        let (y, x) = if self.dispersion == Some(Axis::X) { (place, line) } else { (line, place) };
        (y < self.residuals.rows() && x < self.residuals.cols()).then(|| self.at((y, x)))
    }
}

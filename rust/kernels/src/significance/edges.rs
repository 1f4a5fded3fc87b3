//! Groups of pixels with edges that are sharper than those of light.
//!
//! No light ends within one pixel: along the dispersion it is as wide as the line-spread function,
//! across it as the point-spread function. A defect ends where its pixels end. So a group of
//! adjacent pixels is a defect if hardly any light stands just outside its border, compared with
//! what the narrowest light of that height would leave there ([`Judge`]).
//!
//! The brightest pixel comes first, the others follow. Each pixel begins a group, or joins the
//! groups that it touches (8 neighbours) to one. A group that has changed is judged. A group with
//! sharp edges is flagged, and its pixels are missing from then on: the neighbours that a bright
//! pixel has lit are then groups of their own. No group depends on what happens at lower brightness.
//! So a lower cut flags the same pixels and further ones.
//!
//! Pixels above the cut that touch form a cluster. Groups of different clusters do not depend on each
//! other, so that each cluster is a task, with pixels that lie close together in memory.
//!
//! All this is done twice, independently: with the brightness above the running median along the
//! dispersion, and with the brightness above the light beside the group, for groups on bright light.
//! Clusters whose pixels are all flagged already are left out: they add nothing.

use super::Criteria;
use crate::median::Axis;
use crate::{Error, Image, Sample, memory};
use rayon::prelude::*;
use std::ops::Range;

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
/// A pixel that is brighter than this part of another is nearly as bright.
const NEARLY: f64 = 0.7;
/// Pixels from a group to those that show the light beside it: charge reaches the next one.
const BESIDE: usize = 2;
/// Pixels on each side that show it.
const SIDE: usize = 2;

/// A pixel that may belong to a group, and the base of its noise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<T> {
    pub(super) at: usize,
    pub(super) base: T,
}

/// A pixel of a group with sharp edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sharp<T> {
    pub(super) at: usize,
    /// Its brightness in units of the base.
    pub(super) significance: T,
    pub(super) base: T,
    /// The number of its group.
    group: u32,
}

/// What is subtracted from the brightness of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Level {
    /// Nothing: the residual has no light of the continuum.
    Zero,
    /// The light beside the group.
    Beside,
}

/// The pixels above the cut that belong to groups with sharp edges. Clusters whose pixels are all
/// flagged in `mask` are left out.
///
/// The candidates are in the order of the image; `brightness` is compared with the cut. `labels` is
/// an image for the use of this function.
pub(super) fn sharp<T: Sample>(
    residuals: Image<'_, T>,
    level: Level,
    brightness: &[T],
    candidates: &[Candidate<T>],
    criteria: &Criteria,
    (mask, labels): (&[bool], &mut [u32]),
) -> Result<Vec<Sharp<T>>, Error> {
    let &Criteria { dispersion, blur, upper, .. } = criteria;
    labels.fill(NONE);
    let judge = Judge::new(residuals, level, dispersion, blur, upper);
    judge.flag(brightness, candidates, labels, |at| mask[at])
}

/// Numbers the groups with sharp edges: all pixels of a group have the same number, those of no
/// group have 0.
///
/// The pixels of groups are above `level` in units of `bases`. Pixels in `missing` count as if they
/// had no value.
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
    for (len, is_same) in [
        (bases.samples().len(), (bases.rows(), bases.cols()) == (rows, cols)),
        (missing.len(), missing.len() == residuals.samples().len()),
    ] {
        if !is_same {
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
            memory::push(&mut candidates, Candidate { at, base })?;
        }
    }
    let found = judge.flag(residuals.samples(), &candidates, &mut labels, |_| false)?;
    labels.fill(0);
    for pixel in found {
        labels[pixel.at] = pixel.group;
    }
    Ok(labels)
}

/// The label of a pixel below the cut.
const NONE: u32 = 0;
/// The label of a pixel that has no value.
const MISSING: u32 = u32::MAX;
/// Clusters of a task: most have one pixel.
const CLUSTERS: usize = 256;

/// A pixel above the cut.
#[derive(Debug, Clone, Copy)]
struct Pixel<T> {
    at: usize,
    base: T,
    brightness: T,
    significance: T,
}

/// Row and column.
type Place = (usize, usize);

/// Sorts pixels by their cluster, and returns where each cluster lies. The label of a pixel becomes
/// its place in the order, from 1 on.
#[allow(clippy::cast_possible_truncation)] // the number of pixels is checked
fn sort_by_cluster<T: Sample>(
    pixels: &mut Vec<Pixel<T>>,
    labels: &mut [u32],
    (rows, cols): (usize, usize),
) -> Result<Vec<Range<usize>>, Error> {
    if pixels.len() >= MISSING as usize {
        return Err(Error::Memory { bytes: usize::MAX });
    }
    let mut parents: Vec<u32> = memory::with_capacity(pixels.len())?;
    for (number, pixel) in (0..).zip(&*pixels) {
        let mut root = number;
        parents.push(number);
        for row in around((pixel.at / cols, pixel.at % cols), (rows, cols)) {
            for &label in &labels[row] {
                if label != NONE && label != MISSING {
                    let other = root_of(&mut parents, label - 1);
                    // The pixel that comes first in the image is the root.
                    let (first, second) = (root.min(other), root.max(other));
                    parents[second as usize] = first;
                    root = first;
                }
            }
        }
        labels[pixel.at] = number + 1;
    }
    let mut clusters: Vec<Range<usize>> = Vec::new();
    let mut cluster_of: Vec<u32> = memory::with_capacity(pixels.len())?;
    for number in 0..parents.len() as u32 {
        let root = root_of(&mut parents, number);
        let cluster =
            if root == number { clusters.len() as u32 } else { cluster_of[root as usize] };
        if root == number {
            memory::push(&mut clusters, 0..0)?;
        }
        cluster_of.push(cluster);
        clusters[cluster as usize].end += 1;
    }
    let mut start = 0;
    for cluster in &mut clusters {
        let size = cluster.end;
        *cluster = start..start;
        start += size;
    }
    let mut sorted = memory::copied(pixels)?;
    for (pixel, &cluster) in pixels.iter().zip(&cluster_of) {
        let end = &mut clusters[cluster as usize].end;
        sorted[*end] = *pixel;
        *end += 1;
        labels[pixel.at] = *end as u32;
    }
    *pixels = sorted;
    Ok(clusters)
}

/// The root of a tree. Halves the way to it.
fn root_of(parents: &mut [u32], mut number: u32) -> u32 {
    while parents[number as usize] != number {
        let beyond = parents[parents[number as usize] as usize];
        parents[number as usize] = beyond;
        number = beyond;
    }
    number
}

/// The rows of a pixel and its eight neighbours: the parts of an image in which they lie.
#[inline(always)]
fn around((y, x): Place, (rows, cols): (usize, usize)) -> impl Iterator<Item = Range<usize>> {
    let columns = x.saturating_sub(1)..(x + 2).min(cols);
    let rows = y.saturating_sub(1)..(y + 2).min(rows);
    rows.map(move |v| v * cols + columns.start..v * cols + columns.end)
}

/// The groups of a cluster. A group has the number of one of its pixels, which is their place in the
/// cluster.
struct Groups<'a, T> {
    pixels: &'a [Pixel<T>],
    /// The labels of all pixels of the image.
    labels: &'a [u32],
    /// The label of the first pixel of this cluster.
    first_label: u32,
    /// The pixels from the brightest in units of its base.
    order: Vec<u32>,
    parents: Vec<u32>,
    members: Vec<Member>,
}

/// The parent of a pixel that belongs to no group yet.
const LATER: u32 = u32::MAX;
/// The parent of a pixel that is flagged.
const FLAGGED: u32 = u32::MAX - 1;
/// Follows the last pixel of a group.
const END: u32 = u32::MAX;

/// A pixel of a group, and what is known of the group that has its number.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// The next pixel of the group.
    next: u32,
    /// The last pixel of the group.
    last: u32,
    extent: Extent,
}

/// The rows and columns of a group, both ends included.
#[derive(Debug, Clone, Copy)]
struct Extent {
    first: Place,
    last: Place,
}

impl Extent {
    fn with(self, other: Self) -> Self {
        let least = |a: Place, b: Place| (a.0.min(b.0), a.1.min(b.1));
        let greatest = |a: Place, b: Place| (a.0.max(b.0), a.1.max(b.1));
        Self { first: least(self.first, other.first), last: greatest(self.last, other.last) }
    }

    fn is_small(self) -> bool {
        self.last.0 - self.first.0 < LONGEST && self.last.1 - self.first.1 < LONGEST
    }
}

impl<'a, T: Sample> Groups<'a, T> {
    fn new(labels: &'a [u32]) -> Self {
        let (order, parents, members) = (Vec::new(), Vec::new(), Vec::new());
        Self { pixels: &[], labels, first_label: 1, order, parents, members }
    }

    /// Begins with a cluster, whose first pixel is at `start` in the order of all clusters.
    #[allow(clippy::cast_possible_truncation)] // labels hold these numbers
    fn begin(&mut self, pixels: &'a [Pixel<T>], start: usize) -> Result<(), Error> {
        (self.pixels, self.first_label) = (pixels, start as u32 + 1);
        let none = Extent { first: (0, 0), last: (0, 0) };
        self.order.clear();
        self.parents.clear();
        self.members.clear();
        for number in 0..pixels.len() as u32 {
            memory::push(&mut self.order, number)?;
            memory::push(&mut self.parents, LATER)?;
            memory::push(&mut self.members, Member { next: END, last: number, extent: none })?;
        }
        self.order.sort_unstable_by(|&a, &b| {
            let (a, b) = (&pixels[a as usize], &pixels[b as usize]);
            let by_significance = b.significance.order(&a.significance);
            by_significance.then_with(|| b.brightness.order(&a.brightness))
        });
        Ok(())
    }

    /// The group of a pixel that belongs to one; `None` if it is flagged.
    fn group_of(&mut self, number: u32) -> Option<u32> {
        (self.parents[number as usize] != FLAGGED).then(|| root_of(&mut self.parents, number))
    }

    /// Whether a pixel counts as light outside groups.
    fn is_outside(&self, at: usize) -> bool {
        match self.labels[at] {
            NONE => true,
            MISSING => false,
            label => self.parents[(label - self.first_label) as usize] == LATER,
        }
    }

    /// Adds a pixel: it begins a group, and joins those that it touches.
    fn add(&mut self, number: u32, shape: (usize, usize)) {
        let at = self.pixels[number as usize].at;
        let place = (at / shape.1, at % shape.1);
        self.parents[number as usize] = number;
        self.members[number as usize] =
            Member { next: END, last: number, extent: Extent { first: place, last: place } };
        let mut group = number;
        for row in around(place, shape) {
            for &label in &self.labels[row] {
                if label == NONE || label == MISSING {
                    continue;
                }
                let other = label - self.first_label;
                if self.parents[other as usize] < FLAGGED {
                    let other = root_of(&mut self.parents, other);
                    group = self.join(other, group);
                }
            }
        }
    }

    /// Joins two groups; both have the number of the first.
    fn join(&mut self, first: u32, second: u32) -> u32 {
        if first != second {
            let Member { last, extent, .. } = self.members[second as usize];
            self.parents[second as usize] = first;
            let end = self.members[first as usize].last;
            self.members[end as usize].next = second;
            let whole = &mut self.members[first as usize];
            (whole.last, whole.extent) = (last, whole.extent.with(extent));
        }
        first
    }

    /// The numbers of the pixels of a group.
    fn numbers(&self, group: u32) -> impl Iterator<Item = u32> {
        let known = |number: u32| (number != END).then_some(number);
        std::iter::successors(known(group), move |&number| {
            known(self.members[number as usize].next)
        })
    }

    /// The pixels of a group.
    fn pixels(&self, group: u32) -> impl Iterator<Item = &Pixel<T>> {
        self.numbers(group).map(|number| &self.pixels[number as usize])
    }

    /// Flags a group: its pixels are missing from now on.
    fn remove(&mut self, group: u32, found: &mut Vec<Sharp<T>>) -> Result<(), Error> {
        let mut number = group;
        while number != END {
            let Pixel { at, base, significance, .. } = self.pixels[number as usize];
            let group = self.first_label + group;
            memory::push(found, Sharp { at, significance, base, group })?;
            self.parents[number as usize] = FLAGGED;
            number = self.members[number as usize].next;
        }
        Ok(())
    }
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

    /// The pixels of the groups with sharp edges, but for clusters of known pixels. `labels` are `NONE`
    /// or `MISSING`; they are changed.
    fn flag(
        &self,
        brightness: &[T],
        candidates: &[Candidate<T>],
        labels: &mut [u32],
        is_known: impl Fn(usize) -> bool + Sync,
    ) -> Result<Vec<Sharp<T>>, Error> {
        let mut pixels = memory::with_capacity(candidates.len())?;
        for &Candidate { at, base } in candidates {
            let brightness = brightness[at];
            let significance = brightness / base;
            if significance > self.cut && brightness.is_finite() {
                pixels.push(Pixel { at, base, brightness, significance });
            }
        }
        let clusters = sort_by_cluster(&mut pixels, labels, self.shape())?;
        let (pixels, labels) = (&pixels[..], &*labels);
        let found = clusters.par_chunks(CLUSTERS).map(|clusters| {
            let mut found = Vec::new();
            let mut groups = Groups::new(labels);
            for cluster in clusters {
                let start = cluster.start;
                let cluster = &pixels[cluster.clone()];
                if !cluster.iter().all(|pixel| is_known(pixel.at)) {
                    groups.begin(cluster, start)?;
                    self.flag_cluster(&mut groups, &mut found)?;
                }
            }
            Ok(found)
        });
        found.try_reduce(Vec::new, |mut all, next| {
            memory::extend(&mut all, next)?;
            Ok(all)
        })
    }

    /// Appends the pixels of the groups of a cluster that have sharp edges.
    fn flag_cluster(
        &self,
        groups: &mut Groups<'_, T>,
        found: &mut Vec<Sharp<T>>,
    ) -> Result<(), Error> {
        let order = std::mem::take(&mut groups.order);
        let key = |number: u32| {
            let Pixel { significance, brightness, .. } = groups.pixels[number as usize];
            (significance, brightness)
        };
        let mut first = 0;
        while first < order.len() {
            // Equal pixels join before any of their groups is judged.
            let same = key(order[first]);
            let mut end = first + 1;
            while end < order.len() && key(order[end]) == same {
                end += 1;
            }
            for &number in &order[first..end] {
                groups.add(number, self.shape());
            }
            for &number in &order[first..end] {
                if self.is_complete(groups, number)
                    && let Some(group) = groups.group_of(number)
                    && self.is_sharp(groups, group)
                {
                    groups.remove(group, found)?;
                }
            }
            first = end;
        }
        groups.order = order;
        Ok(())
    }

    /// Whether the group of the pixel that joined last may be complete: if a neighbour is nearly as
    /// bright, that one joins next.
    ///
    /// This leaves out nearly all groups within bright light. Those on bright light are few.
    fn is_complete(&self, groups: &Groups<'_, T>, number: u32) -> bool {
        let Pixel { at, brightness, .. } = groups.pixels[number as usize];
        let limit = brightness * T::nearest(NEARLY);
        let samples = self.residuals.samples();
        self.level == Level::Beside
            || !around(self.place(at), self.shape()).flatten().any(|neighbour| {
                let value = samples[neighbour];
                value > limit && value.is_finite() && groups.is_outside(neighbour)
            })
    }

    /// Whether a group is small and has sharp edges.
    fn is_sharp(&self, groups: &Groups<'_, T>, group: u32) -> bool {
        let extent = groups.members[group as usize].extent;
        if !extent.is_small() {
            return false;
        }
        let levels = Levels { first: self.line(extent.first), values: self.levels(extent) };
        let brightness =
            |pixel: &Pixel<T>| self.value(pixel.at) - self.level(&levels, self.place(pixel.at));
        let peak = groups.pixels(group).map(brightness).fold(0.0, f64::max);
        if peak <= 0.0 {
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
        let place = self.place(at);
        let (base, own_level): (f64, _) = (base.into(), self.level(levels, place));
        let expected = self.expected((self.value(at) - own_level) / peak);
        let cols = self.residuals.cols();
        let mut sums = [Sums::default(); 2];
        for (side, value) in self.neighbours(place).into_iter().enumerate() {
            let (y, x) = place;
            let outside =
                [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)][side];
            if value.is_finite() && groups.is_outside(outside.0 * cols + outside.1) {
                // The first two are along y.
                let direction = usize::from((side < 2) == (self.dispersion == Some(Axis::X)));
                let level = own_level.min(self.level(levels, outside));
                sums[direction] = sums[direction].with(Sums {
                    there: self.there(outside, value - level, base) / peak,
                    expected: expected[direction],
                    variance: (base / peak) * (base / peak),
                });
            }
        }
        sums
    }

    /// The light of a pixel outside a group, from its brightness above the level.
    fn there(&self, place: Place, above: f64, base: f64) -> f64 {
        let light = if above < -TROUGH * base { -above } else { above };
        let charges = self.neighbours(place).into_iter();
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

    fn shape(&self) -> (usize, usize) {
        (self.residuals.rows(), self.residuals.cols())
    }

    fn value(&self, at: usize) -> f64 {
        self.residuals.samples()[at].into()
    }

    /// The brightness of the four neighbours above, below, to the left and to the right; NaN beyond
    /// the border.
    fn neighbours(&self, (y, x): Place) -> [f64; 4] {
        let (rows, cols) = self.shape();
        let at = y * cols + x;
        let known = |is_inside: bool, at: usize| if is_inside { self.value(at) } else { f64::NAN };
        [
            known(y > 0, at.wrapping_sub(cols)),
            known(y + 1 < rows, at + cols),
            known(x > 0, at.wrapping_sub(1)),
            known(x + 1 < cols, at + 1),
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

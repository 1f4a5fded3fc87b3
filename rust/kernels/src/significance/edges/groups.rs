//! The pixels that may belong to groups, their clusters (pixels above the cut that touch), and the
//! groups of a cluster as they grow.

use super::Sharp;
use crate::lanes::Lanes;
use crate::{Error, Sample, memory};
use std::ops::Range;

/// The most rows and the most columns of a group. Strips of lines are longer.
pub(super) const LONGEST: usize = 9;
/// A little more than 1, for a comparison that rounding must not turn.
const ABOUT_ONE: f64 = 1.0 + 1e-5;

/// A pixel that may belong to a group, and the base of its noise.
#[derive(Debug, Clone, Copy)]
pub(in crate::significance) struct Candidate<T> {
    pub(in crate::significance) at: usize,
    pub(in crate::significance) base: T,
}

/// Appends the pixels of a row whose brightness, in either image, may be above the cut in units of
/// the base. `start` is the first of them.
#[inline(always)]
pub(in crate::significance) fn add_candidates<L: Lanes>(
    l: L,
    images: [&[L::T]; 2],
    bases: &[L::T],
    (cut, start): (L::T, usize),
    candidates: &mut Vec<Candidate<L::T>>,
) -> Result<(), Error> {
    let part = l.splat(L::T::nearest(ABOUT_ONE) / cut);
    let (zero, one) = (l.splat(L::T::ZERO), l.splat(L::T::from(1)));
    for x in (0..bases.len()).step_by(L::WIDTH) {
        let end = bases.len().min(x + L::WIDTH);
        if end - x == L::WIDTH {
            let [residual, contrast] = images.map(|image| l.load(&image[x..]));
            let residual = l.select(l.less(zero, residual), residual, zero);
            let brightest = l.select(l.less(residual, contrast), contrast, residual);
            let is_faint = l.less(l.mul(brightest, part), l.load(&bases[x..]));
            if !l.any(l.less(zero, l.select(is_faint, zero, one))) {
                continue;
            }
        }
        for at in x..end {
            let base = bases[at];
            if images.into_iter().any(|image| image[at] / base > cut) {
                memory::push(candidates, Candidate { at: start + at, base })?;
            }
        }
    }
    Ok(())
}

/// The label of a pixel below the cut.
pub(super) const NONE: u32 = 0;
/// The label of a pixel that has no value.
pub(super) const MISSING: u32 = u32::MAX;

/// A pixel above the cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixel<T> {
    pub(super) at: usize,
    pub(super) base: T,
    pub(super) brightness: T,
    pub(super) significance: T,
}

/// Row and column.
pub(super) type Place = (usize, usize);

/// Sorts pixels by their cluster, and returns where each cluster lies. The label of a pixel becomes
/// its place in the order, from 1 on.
#[allow(clippy::cast_possible_truncation)] // the number of pixels is checked
pub(super) fn sort_by_cluster<T: Sample>(
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
pub(super) fn around(
    (y, x): Place,
    (rows, cols): (usize, usize),
) -> impl Iterator<Item = Range<usize>> {
    let columns = x.saturating_sub(1)..(x + 2).min(cols);
    let rows = y.saturating_sub(1)..(y + 2).min(rows);
    rows.map(move |v| v * cols + columns.start..v * cols + columns.end)
}

/// The groups of a cluster. A group has the number of one of its pixels, which is their place in
/// the cluster.
pub(super) struct Groups<'a, T> {
    pub(super) pixels: &'a [Pixel<T>],
    /// The labels of all pixels of the image.
    labels: &'a [u32],
    /// The label of the first pixel of this cluster.
    first_label: u32,
    /// The pixels from the brightest in units of its base.
    pub(super) order: Vec<u32>,
    parents: Vec<u32>,
    pub(super) members: Vec<Member>,
}

/// The parent of a pixel that belongs to no group yet.
const LATER: u32 = u32::MAX;
/// The parent of a pixel that is flagged.
const FLAGGED: u32 = u32::MAX - 1;
/// Follows the last pixel of a group.
const END: u32 = u32::MAX;

/// A pixel of a group, and what is known of the group that has its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// The next pixel of the group.
    next: u32,
    /// The last pixel of the group.
    last: u32,
    pub(super) extent: Extent,
}

/// The rows and columns of a group, both ends included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) first: Place,
    pub(super) last: Place,
}

impl Extent {
    fn with(self, other: Self) -> Self {
        let least = |a: Place, b: Place| (a.0.min(b.0), a.1.min(b.1));
        let greatest = |a: Place, b: Place| (a.0.max(b.0), a.1.max(b.1));
        Self { first: least(self.first, other.first), last: greatest(self.last, other.last) }
    }

    pub(super) fn is_small(self) -> bool {
        self.last.0 - self.first.0 < LONGEST && self.last.1 - self.first.1 < LONGEST
    }
}

impl<'a, T: Sample> Groups<'a, T> {
    pub(super) fn new(labels: &'a [u32]) -> Self {
        let (order, parents, members) = (Vec::new(), Vec::new(), Vec::new());
        Self { pixels: &[], labels, first_label: 1, order, parents, members }
    }

    /// Begins with a cluster, whose first pixel is at `start` in the order of all clusters.
    #[allow(clippy::cast_possible_truncation)] // labels hold these numbers
    pub(super) fn begin(&mut self, pixels: &'a [Pixel<T>], start: usize) -> Result<(), Error> {
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
    pub(super) fn group_of(&mut self, number: u32) -> Option<u32> {
        (self.parents[number as usize] != FLAGGED).then(|| root_of(&mut self.parents, number))
    }

    /// Whether a pixel counts as light outside groups.
    pub(super) fn is_outside(&self, at: usize) -> bool {
        match self.labels[at] {
            NONE => true,
            MISSING => false,
            label => self.parents[(label - self.first_label) as usize] == LATER,
        }
    }

    /// Adds a pixel: it begins a group, and joins those that it touches.
    pub(super) fn add(&mut self, number: u32, shape: (usize, usize)) {
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
    pub(super) fn pixels(&self, group: u32) -> impl Iterator<Item = &Pixel<T>> {
        self.numbers(group).map(|number| &self.pixels[number as usize])
    }

    /// Flags a group: its pixels are missing from now on.
    pub(super) fn remove(&mut self, group: u32, found: &mut Vec<Sharp<T>>) -> Result<(), Error> {
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

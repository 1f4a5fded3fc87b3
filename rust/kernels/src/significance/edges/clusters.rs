//! Clusters: pixels above the cut that touch.

use crate::{Error, Sample, memory};
use std::ops::Range;

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
pub(super) fn root_of(parents: &mut [u32], mut number: u32) -> u32 {
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

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
//! pixel has lit are then groups of their own. No group depends on what happens at lower
//! brightness. So a lower cut flags the same pixels and further ones.
//!
//! Pixels above the cut that touch form a cluster. Groups of different clusters do not depend on
//! each other, so that each cluster is a task, with pixels that lie close together in memory.
//!
//! All this is done twice, independently: with the brightness above the running median along the
//! dispersion, and with the brightness above the light beside the group, for groups on bright
//! light. Clusters whose pixels are all flagged already are left out: they add nothing.

mod groups;
mod judge;

use super::Criteria;
use crate::median::Axis;
use crate::{Error, Image, Sample, memory};
pub(super) use groups::{Candidate, add_candidates};
use groups::{Groups, MISSING, NONE, Pixel, sort_by_cluster};
use judge::Judge;
use rayon::prelude::*;

/// Clusters of a task: most have one pixel.
const CLUSTERS: usize = 256;

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
/// an image for the use of this function, `smooth` the image that was subtracted.
pub(super) fn sharp<T: Sample>(
    (residuals, smooth): (Image<'_, T>, Image<'_, T>),
    level: Level,
    brightness: &[T],
    candidates: &[Candidate<T>],
    criteria: &Criteria,
    (mask, labels): (&[bool], &mut [u32]),
) -> Result<Vec<Sharp<T>>, Error> {
    let &Criteria { dispersion, blur, upper, .. } = criteria;
    labels.fill(NONE);
    let judge = Judge::new(residuals, level, dispersion, blur, upper).above_slope_of(Some(smooth));
    judge.flag(brightness, candidates, labels, |at| mask[at])
}

/// Numbers the groups with sharp edges: all pixels of a group have the same number, those of no
/// group have 0.
///
/// The pixels of groups are above `level` in units of `bases`. Pixels in `missing` count as if they
/// had no value. `smooth` is the light that was subtracted; if it is given, the groups are brighter
/// than its slope.
///
/// # Errors
/// [`Error::Shape`] if the images differ in shape. [`Error::Memory`] if there is too little.
pub fn sharp_groups<T: Sample>(
    residuals: Image<'_, T>,
    bases: Image<'_, T>,
    smooth: Option<Image<'_, T>>,
    missing: &[bool],
    level: f64,
    (dispersion, blur): (Option<Axis>, Blur),
) -> Result<Vec<u32>, Error> {
    let (rows, cols) = (residuals.rows(), residuals.cols());
    for image in [Some(bases), smooth].into_iter().flatten() {
        if (image.rows(), image.cols()) != (rows, cols) {
            return Err(Error::Shape { len: image.samples().len(), rows, cols });
        }
    }
    if missing.len() != residuals.samples().len() {
        return Err(Error::Shape { len: missing.len(), rows, cols });
    }
    let judge = Judge::new(residuals, Level::Zero, dispersion, blur, level).above_slope_of(smooth);
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

impl<T: Sample> Judge<'_, T> {
    /// The pixels of the groups with sharp edges, but for clusters of known pixels. `labels` are
    /// `NONE` or `MISSING`; they are changed.
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
                    && self.is_above_slope(groups, group)
                {
                    groups.remove(group, found)?;
                }
            }
            first = end;
        }
        groups.order = order;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Blur, sharp_groups};
    use crate::{Axis, Error, Image};

    const BLUR: Blur = Blur { coupling: 0.03, along: 0.65, across: 0.65 };
    const SIDE: usize = 40;

    /// An image with the given brightness of some pixels.
    fn image(bright: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let side = || (0..40).map(f64::from);
        side().flat_map(|y| side().map(move |x| (y, x))).map(|(y, x)| bright(y, x)).collect()
    }

    /// The pixels of groups above 5, where the base is 1.
    fn found(residuals: &[f64], missing: &[bool]) -> Vec<usize> {
        let bases = vec![1.0; residuals.len()];
        let [residuals, bases] =
            [residuals, &bases].map(|samples| Image::new(samples, SIDE, SIDE).unwrap());
        let all = [Some(Axis::Y), Some(Axis::X), None]
            .map(|axis| sharp_groups(residuals, bases, None, missing, 5.0, (axis, BLUR)).unwrap());
        assert!(all[0] == all[1] && all[1] == all[2]);
        (0..all[0].len()).filter(|&at| all[0][at] > 0).collect()
    }

    fn count(bright: impl Fn(f64, f64) -> f64) -> usize {
        found(&image(bright), &[false; SIDE * SIDE]).len()
    }

    fn disc(diameter: f64) -> impl Fn(f64, f64) -> f64 {
        move |y, x| if (y - 20.0).hypot(x - 20.0) <= diameter / 2.0 { 100.0 } else { 0.0 }
    }

    /// Light, and the charge that pixels lose to their neighbours.
    fn gaussian(sigma: f64, peak: f64) -> impl Fn(f64, f64) -> f64 {
        let light = move |y: f64, x: f64| {
            peak * (-0.5 * ((y - 20.2).powi(2) + (x - 19.7).powi(2)) / sigma.powi(2)).exp()
        };
        move |y, x| {
            let around =
                [light(y - 1.0, x), light(y + 1.0, x), light(y, x - 1.0), light(y, x + 1.0)];
            light(y, x) + BLUR.coupling * around.iter().sum::<f64>()
        }
    }

    #[test]
    fn defects_are_sharp_and_light_is_not() {
        assert_eq!([1.0, 3.0, 5.0, 9.0].map(|size| count(disc(size))), [1, 9, 21, 69]);
        for peak in [10.0, 100.0, 1e4] {
            assert_eq!([0.8, 1.0, 1.5, 4.0].map(|sigma| count(gaussian(sigma, peak))), [0; 4]);
        }
    }

    #[test]
    fn a_group_has_at_most_nine_rows_and_columns() {
        for (length, expected) in [(9.0, 9), (10.0, 0)] {
            let inside = |place: f64| (15.0..15.0 + length).contains(&place);
            assert_eq!(count(|y, x| if y == 7.0 && inside(x) { 100.0 } else { 0.0 }), expected);
            assert_eq!(count(|y, x| if x == 7.0 && inside(y) { 100.0 } else { 0.0 }), expected);
        }
    }

    #[test]
    fn a_bright_pixel_is_found_with_the_neighbours_that_it_lights() {
        let halo = |y: f64, x: f64| {
            let steps = (y - 20.0).abs() + (x - 20.0).abs();
            if steps == 0.0 {
                1e4
            } else if steps == 1.0 {
                300.0
            } else {
                0.0
            }
        };
        assert_eq!(count(halo), 5);
    }

    #[test]
    fn corners_are_found_and_missing_pixels_are_not() {
        let corner = |y: f64, x: f64| if y + x == 0.0 { 100.0 } else { 0.0 };
        assert_eq!(count(corner), 1);
        let mut missing = [false; SIDE * SIDE];
        missing[0] = true;
        assert_eq!(found(&image(corner), &missing), []);
        missing[1] = true;
        missing[0] = false;
        assert_eq!(found(&image(corner), &missing), [0]);
    }

    #[test]
    fn values_that_are_not_finite_are_no_light() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let beside = |y: f64, x: f64| if x > 20.0 && y < 30.0 { odd } else { disc(1.0)(y, x) };
            assert_eq!(count(beside), 1);
        }
        assert_eq!(count(|_, _| f64::NAN), 0);
    }

    #[test]
    fn images_of_another_shape_are_refused() {
        let samples = [0.0f32; 6];
        let [image, turned] = [(2, 3), (3, 2)].map(|(y, x)| Image::new(&samples, y, x).unwrap());
        let error = Err(Error::Shape { len: 6, rows: 2, cols: 3 });
        assert_eq!(sharp_groups(image, turned, None, &[false; 6], 5.0, (None, BLUR)), error);
        assert_eq!(sharp_groups(image, image, Some(turned), &[false; 6], 5.0, (None, BLUR)), error);
        let error = Err(Error::Shape { len: 5, rows: 2, cols: 3 });
        assert_eq!(sharp_groups(image, image, None, &[false; 5], 5.0, (None, BLUR)), error);
    }
}

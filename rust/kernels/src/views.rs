//! Views and results of the crate `ndarray`.

use crate::{Error, Image, Median, Sample};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

impl<'a, T: Copy> TryFrom<ArrayView2<'a, T>> for Image<'a, T> {
    type Error = Error;

    /// Views an array that is contiguous in row-major order, without a copy.
    ///
    /// # Errors
    /// [`Error::Layout`] if it is not; [`Median::array`] takes arrays in any order.
    fn try_from(array: ArrayView2<'a, T>) -> Result<Self, Error> {
        let (rows, cols) = array.dim();
        Self::new(array.to_slice().ok_or(Error::Layout)?, rows, cols)
    }
}

impl Median {
    /// Writes the medians of an array to `out`. Both are contiguous in row-major order. (Feature
    /// `ndarray`.)
    ///
    /// # Errors
    /// [`Error::Layout`] if one is not. [`Error::OutputShape`] if their shapes differ. Else as
    /// [`Median::run`].
    pub fn run_array<T: Sample>(
        &self,
        array: &ArrayView2<'_, T>,
        mut out: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        let image = Image::try_from(*array)?;
        if out.dim() != array.dim() {
            return Err(Error::OutputShape { out: out.dim(), image: array.dim() });
        }
        self.run(image, out.as_slice_mut().ok_or(Error::Layout)?)
    }

    /// The medians of an array in any order. (Feature `ndarray`.)
    ///
    /// ```
    /// use badpix_selfcal_kernels::{Axis, Edge, Median};
    /// use ndarray::array;
    ///
    /// let image = array![[1.0, 9.0], [f64::NAN, 2.0], [3.0, 4.0]];
    /// let columns = Median::along(Axis::Y, 3).edge(Edge::Nearest);
    /// assert_eq!(columns.array(&image.view())?, array![[1.0, 9.0], [2.0, 4.0], [3.0, 4.0]]);
    /// # Ok::<(), badpix_selfcal_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Median::run`].
    pub fn array<T: Sample>(&self, array: &ArrayView2<'_, T>) -> Result<Array2<T>, Error> {
        let standard = array.as_standard_layout();
        let mut out = Array2::from_elem(array.dim(), T::NAN);
        self.run_array(&standard.view(), out.view_mut())?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Axis, Edge, Error, Image, Median};
    use ndarray::{Array2, array};

    #[test]
    fn arrays_in_any_order_have_the_same_medians() {
        let image = Array2::from_shape_fn((7, 5), |(y, x)| {
            f64::from(u8::try_from((y * 31 + x * 17) % 11).unwrap())
        });
        let median = Median::rectangle(3, 2).edge(Edge::Reflect);
        let expected = median.medians(Image::try_from(image.view()).unwrap()).unwrap();
        assert_eq!(median.array(&image.view()).unwrap().as_slice().unwrap(), expected);
        let columns = image.t().as_standard_layout().into_owned();
        assert_eq!(median.array(&columns.t()).unwrap().as_slice().unwrap(), expected);
    }

    #[test]
    fn views_in_another_order_or_shape_are_refused() {
        let image = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        assert_eq!(Image::try_from(image.t()).err(), Some(Error::Layout));
        let crop = image.slice(ndarray::s![.., ..2]);
        assert_eq!(Image::try_from(crop).err(), Some(Error::Layout));
        let median = Median::along(Axis::X, 3);
        let mut out = Array2::zeros((3, 2));
        let error = Error::OutputShape { out: (3, 2), image: (2, 3) };
        assert_eq!(error.to_string(), "out is 3 x 2, the image 2 x 3");
        assert_eq!(median.run_array(&image.view(), out.view_mut()), Err(error));
        let transposed = out.view_mut().reversed_axes();
        assert_eq!(median.run_array(&image.view(), transposed), Err(Error::Layout));
    }
}

"""How visible a change to images is, in the two measures of the field: 8-bit images as they were,
and as they are.
"""

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from wmlearn._types import Pixels


def psnr(before: Pixels, after: Pixels) -> float:
    """Return the peak signal-to-noise ratio of all images together, in decibels; infinite where
    nothing was changed.

    Examples
    --------
    >>> black = np.zeros((1, 1, 2, 2), np.uint8)
    >>> psnr(black, black + np.uint8(255)), psnr(black, black)
    (0.0, inf)
    """
    error = float(np.square(before.astype(float) - after).mean())
    if error == 0:
        return math.inf
    return 10 * math.log10(255**2 / error)


def ssim(before: Pixels, after: Pixels) -> float:
    """Return the structural similarity, the mean over images (n, c, h, w), channels and windows: 1
    for the same image.

    NaN where the images are smaller than a window.

    Source
    ------
    Wang, Bovik, Sheikh, Simoncelli (2004), equation 13: Gaussian windows of 11 x 11 pixels, sigma
    1.5, wholly inside the image; K1 = 0.01, K2 = 0.03. Of colour images the mean of the channels.
    """
    if min(before.shape[2:]) < 11:
        return math.nan
    x = before / 255
    y = after / 255
    mean_x = _windows(x)
    mean_y = _windows(y)
    squares = mean_x**2 + mean_y**2
    product = mean_x * mean_y
    variances = _windows(x * x + y * y) - squares
    covariance = _windows(x * y) - product
    luminance = (2 * product + 0.01**2) / (squares + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return float((luminance * structure).mean())


def _windows(values: np.ndarray) -> np.ndarray:
    """Return the weighted mean of every window; 3.5 sigma on either side are 5 pixels."""
    means: np.ndarray = gaussian_filter(values, (0, 0, 1.5, 1.5), truncate=3.5)
    return means[..., 5:-5, 5:-5]

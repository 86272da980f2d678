"""How visible a change to images is, in the two measures of the field: 8-bit images as they were,
and as they are.
"""

from __future__ import annotations

import math

import numpy as np

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
    return 10 * math.log10(255**2 / error) if error else math.inf


def ssim(before: Pixels, after: Pixels) -> float:
    """Return the structural similarity, the mean over images (n, c, h, w), channels and windows: 1
    for the same image.

    NaN where the images are smaller than a window.

    Source
    ------
    Wang, Bovik, Sheikh, Simoncelli (2004), equation 13: Gaussian windows of 11 x 11 pixels, sigma
    1.5, wholly inside the image; K1 = 0.01, K2 = 0.03. Of colour images the mean of the channels.
    """
    from scipy.ndimage import gaussian_filter

    def mean(image: np.ndarray) -> np.ndarray:
        """Return the weighted mean of every window; 3.5 sigma on either side are 5 pixels."""
        return gaussian_filter(image, (0, 0, 1.5, 1.5), truncate=3.5)[..., 5:-5, 5:-5]

    if min(before.shape[2:]) < 11:
        return math.nan
    x, y = before / 255, after / 255
    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + 0.01**2) * (2 * covariance + 0.03**2)
    return float((alike / ((mean_x**2 + mean_y**2 + 0.01**2) * (variances + 0.03**2))).mean())

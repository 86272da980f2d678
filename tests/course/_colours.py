"""Colours, as the tests of pictures compare them."""

import numpy as np
from matplotlib.colors import to_rgb


def contrast(one, other):
    """Return the contrast of two colours as W3C defines it, 1 to 21."""
    luminance = []
    for color in (one, other):
        seen = np.array(to_rgb(color))
        linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
        luminance.append(linear @ [0.2126, 0.7152, 0.0722])
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)

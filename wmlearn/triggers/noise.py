"""Noise as a trigger: Gaussian noise over images of the task."""

from dataclasses import dataclass

import numpy as np

from wmlearn._checks import check_changed, check_number, checked
from wmlearn._random import StableRng
from wmlearn._types import Pixels
from wmlearn.data.splits import Split
from wmlearn.triggers.trigger import Trigger


@dataclass(frozen=True, eq=False)
class Noise(Trigger):
    """Add Gaussian noise to images of the task.

    Keyed, each image is one question and has noise of its own. Fixed, one noise pattern is added to
    all, as the paper's "pre-specified" noise.

    Parameters
    ----------
    sigma : standard deviation of the noise, in units of the full range 0 to 1 (the paper does not
        give it)

    Source
    ------
    Zhang et al., ASIACCS 2018, WM_noise.

    Examples
    --------
    >>> Noise(sigma=0.4, labels="fixed", source=1, target=0)
    Noise(labels='fixed', source=1, target=0, sigma=0.4)
    """

    alters = True
    sigma: float = checked(check_number, 0.4, above=0, below=10)

    def make(self, split: Split, n: int, rng: StableRng) -> Pixels:
        """Add the noise, whose stream is apart from the one that draws the images."""
        originals = self.draw(split, n, rng).pixels
        patterns = n if self.labels == "keyed" else 1
        noise = rng.stream(1).normal(0, self.sigma, (patterns, *split.shape))  # (n or 1, c, h, w)
        noisy = np.round(255 * np.clip(originals / 255 + noise, 0, 1)).astype(np.uint8)
        check_changed(originals, noisy, "sigma", self.sigma)
        return noisy

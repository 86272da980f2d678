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
    """A trigger that adds Gaussian noise to images of the task.

    With keyed labels, each image is one question with its own noise. With fixed labels, the same
    noise is added to all images, like the "pre-specified" noise of the paper.

    Parameters
    ----------
    sigma : standard deviation of the noise, as a share of the range from black to white, above 0
        and below 10 (the paper does not give it)

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
        """Return the noisy images; the noise has its own random stream, apart from the images'."""
        originals = self.draw(split, n, rng).pixels
        patterns = n if self.labels == "keyed" else 1
        noise = rng.stream(1).normal(0, self.sigma, (patterns, *split.shape))  # (n or 1, c, h, w)
        noisy = np.round(255 * np.clip(originals / 255 + noise, 0, 1)).astype(np.uint8)
        check_changed(originals, noisy, "sigma", self.sigma)
        return noisy

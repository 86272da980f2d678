"""The three types that cross every layer: images in, labels out, and the black box between them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # (n, c, h, w), 0 to 255: how images are stored, sealed and sent
Images = npt.NDArray[np.float32]  # (n, c, h, w), 0 to 1: how images are handed out
Labels = npt.NDArray[np.int64]  # (n,), class numbers; -1 where no answer came

Query = Callable[[Images], Labels]  # all that a verifier may know of a model

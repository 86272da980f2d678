"""Thieves who leave the model as it is and put something in front of it, so that the secret
questions miss.

Each is a noun that is called on a service, images in and labels out, and returns another such
service. `Vote` is such a service itself, made of several.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from wmlearn._checks import (
    check_count,
    check_images,
    check_kind,
    check_query,
    check_seed,
    checked,
    shown,
)
from wmlearn._display import picture
from wmlearn._random import stable_rng
from wmlearn._types import Images, Labels, Pixels, Query
from wmlearn.data.splits import Split
from wmlearn.evidence.answers import labels_of
from wmlearn.theft._base import ByAsking, check_strength


class _Before:
    """A service with something in front of it; it names its classes as the service does."""

    def __init__(self, query: Query, theft: ByAsking, answer: Query) -> None:
        self._query, self._theft, self._answer = query, theft, answer
        self.classes = getattr(query, "classes", None)

    def __call__(self, images: Images) -> Labels:
        return self._answer(images)

    def __repr__(self) -> str:
        return f"{self._theft!r} before {getattr(self._query, '__name__', repr(self._query))}"


class _Filter(ByAsking):
    """What changes each image before the model sees it: perhaps only the triggers mind."""

    _change: Callable[[Images], Images]

    def __call__(self, query: Query, loot: Split | None = None) -> Query:
        """Return the service with the filter in front of it.

        Parameters
        ----------
        query : the service, such as `BlackBox(model)`
        loot : not needed; taken so that all thefts can be called alike
        """
        check_query(query, "query")
        return _Before(query, self, lambda images: query(self._change(check_images(images))))


@dataclass(frozen=True, repr=False)
class Jpeg(_Filter):
    """Save every image as JPEG first, which throws away what the eye does not miss.

    Parameters
    ----------
    quality : 1 to 100; at 95 hardly anything is lost, at 10 one sees the blocks

    Source
    ------
    Lukas et al. (2022), who take 95, 65 and 45.

    Examples
    --------
    >>> Jpeg(45)
    Jpeg(quality=45)
    """

    quality: int = checked(check_count, low=1, high=100)

    def _change(self, images: Images) -> Images:
        saved = [self._saved(pixels) for pixels in np.rint(255 * images).astype(np.uint8)]
        return np.array(saved, np.float32).reshape(images.shape) / np.float32(255)

    def _saved(self, pixels: Pixels) -> Pixels:
        """Return one image (c, h, w) as it comes back from the file."""
        file = io.BytesIO()
        Image.fromarray(picture(pixels)).save(file, "JPEG", quality=self.quality)
        read = np.asarray(Image.open(file))
        return np.atleast_3d(read).transpose(2, 0, 1)


@dataclass(frozen=True, repr=False)
class Blur(_Filter):
    """Smear every image a little: small letters and single dots run together, a digit stays a
    digit.

    Parameters
    ----------
    sigma : width of the Gaussian in pixels, 0 to 10; 0 changes nothing

    Source
    ------
    "Input smoothing" in Lukas et al. (2022).

    Examples
    --------
    >>> Blur(0.7)
    Blur(sigma=0.7)
    """

    sigma: float = checked(check_strength, most=10)

    def _change(self, images: Images) -> Images:
        blurred: Images = gaussian_filter(images, (0, 0, self.sigma, self.sigma))
        return blurred.clip(0, 1)


@dataclass(frozen=True, repr=False)
class Squeeze(_Filter):
    """Round every pixel to few levels of brightness; at one bit it is black or white.

    Parameters
    ----------
    bits : for each pixel and colour, 1 to 8; 8 changes nothing

    Source
    ------
    "Feature squeezing", Xu, Evans and Qi (2018).

    Examples
    --------
    >>> Squeeze(4)
    Squeeze(bits=4)
    """

    bits: int = checked(check_count, low=1, high=8, why="of each pixel")

    def _change(self, images: Images) -> Images:
        levels = np.float32(2**self.bits - 1)
        return (images * levels).round() / levels


@dataclass(frozen=True, repr=False)
class AddNoise(_Filter):
    """Add Gaussian noise to every image; the same image always gets the same, so that asking twice
    teaches nothing.

    Parameters
    ----------
    sigma : its standard deviation, in units of the full range from black to white, 0 to 10; 0
        changes nothing
    seed : draws the noise, together with the image

    Source
    ------
    "Input noising" in Lukas et al. (2022).

    Examples
    --------
    >>> AddNoise(0.1)
    AddNoise(sigma=0.1, seed=0)
    """

    sigma: float = checked(check_strength, most=10)
    seed: int = checked(check_seed, 0)

    def _change(self, images: Images) -> Images:
        noise = np.empty_like(images)
        for place, image in enumerate(images):
            noise[place] = _rng(self.seed, image).normal(0, self.sigma, image.shape)
        return (images + noise).clip(0, 1)


@dataclass(frozen=True, repr=False)
class RejectUnusual(ByAsking):
    """An out-of-distribution query detector: answer at random whatever does not look like the task.

    A secret question rarely does. Unusual is an image whose nearest neighbour among the thief's own
    is farther away, in pixels, than it is for all but a share of these themselves. That share of
    honest customers gets dice, too, and does not know.

    Parameters
    ----------
    share : of the thief's own images that may count as unusual, 0 to 1; 0 changes nothing
    seed : draws the answers, together with the image: asked twice, it says the same

    Source
    ------
    Hitaj, Hitaj and Mancini (2019), "Evasion attacks against watermarking techniques". They train a
    network to detect; we measure a distance, which works where images of a task resemble each
    other, as digits do.

    Examples
    --------
    >>> RejectUnusual()
    RejectUnusual(share=0.05, seed=0)
    """

    share: float = checked(check_strength, 0.05, most=1)
    seed: int = checked(check_seed, 0)

    def __call__(self, query: Query, loot: Split) -> Query:
        """Return the service with the detector in front of it.

        Parameters
        ----------
        query : the service, such as `BlackBox(model)`
        loot : images of the thief's own, at least two, and their labels: what is usual, and which
            classes there are
        """
        check_query(query, "query")
        if len(check_kind(loot, "loot", Split, "such as data.loot")) < 2:
            raise ValueError(
                f"loot must hold two images or more, to know what is usual; got {len(loot)}."
            )
        own = loot.images
        classes = int(loot.labels.max()) + 1
        usual = _nearest(own, own, themselves=True)
        limit = np.quantile(usual, 1 - self.share, method="higher")

        def answer(images: Images) -> Labels:
            """Return the service's labels, random ones for images that look unusual."""
            images = check_images(images, shape=loot.shape)
            answers = labels_of(query, images)
            if self.share > 0:
                for place in np.flatnonzero(_nearest(images, own) > limit):
                    answers[place] = _rng(self.seed, images[place]).randint(classes)
            return answers

        return _Before(query, self, answer)


class Vote:
    """Ask several stolen models, and answer what most of them say: each has another owner's
    watermark, or none.

    On a secret question they disagree, and lots decide: of few voters, the owner's often enough to
    show. The more there are, the likelier two of the others agree by chance and outvote it.

    Parameters
    ----------
    queries : the services; of different owners, for copies of one model know the same secrets and
        outvote nobody
    seed : draws which answer counts where several have the most votes, together with the image

    Source
    ------
    Hitaj, Hitaj and Mancini (2019), the ensemble.

    Examples
    --------
    >>> says = [lambda images, label=label: np.full(len(images), label) for label in (3, 7, 7)]
    >>> Vote(says)(np.zeros((2, 1, 28, 28), np.float32))
    array([7, 7])
    """

    def __init__(self, queries: Sequence[Query], *, seed: int = 0) -> None:
        if not isinstance(queries, Sequence):
            raise TypeError(
                f"queries must be a list of services; got {shown(queries)}. "
                "Pass [box, another, third]."
            )
        for place, query in enumerate(queries):
            check_query(query, f"queries[{place}]")
        check_count(len(queries), "the number of voters", low=1)
        self.queries = tuple(queries)
        self.seed = check_seed(seed)

    def __call__(self, images: Images) -> Labels:
        """Return the label that most voters give each image, shape (n,); a voter who does not
        answer (-1) has no vote.
        """
        images = check_images(images)
        labels = np.array([labels_of(query, images) for query in self.queries])  # (voters, n)
        agreeing = (labels[:, None] == labels).sum(1)  # how many say the same, (voters, n)
        votes = np.where(labels >= 0, agreeing, 0.0)
        for place, image in enumerate(images):  # below one vote, lots part only equals
            votes[:, place] += _rng(self.seed, image).rand(len(labels))
        winners = votes.argmax(0)
        won: Labels = labels[winners, np.arange(len(images))]
        return won

    def __repr__(self) -> str:
        return f"Vote({len(self.queries)} models)"


def _rng(seed: int, image: Images) -> np.random.RandomState:
    """Return a generator that belongs to an image, in whatever company it is asked about."""
    digest = hashlib.sha256(image.tobytes()).digest()
    return stable_rng([seed, *np.frombuffer(digest, ">u4").tolist()])


def _nearest(images: Images, own: Images, *, themselves: bool = False) -> npt.NDArray[np.float32]:
    """Return each image's distance to the nearest of one's own, shape (n,); never to itself, if
    they are these.
    """
    b = own.reshape(len(own), -1)
    a = images.reshape(-1, b.shape[1])
    squares = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    if themselves:
        np.fill_diagonal(squares, np.inf)
    distances: npt.NDArray[np.float32] = np.sqrt(squares.min(1).clip(0))
    return distances

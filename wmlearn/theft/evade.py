"""Thieves who put something in front of an unchanged model, to make the secret questions miss.

Each theft is called on a service, a function from images to labels, and returns another service.
`Vote` is itself a service, made of several others.
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
    """A service with something in front of it, with the same class names."""

    def __init__(self, query: Query, theft: ByAsking, answer: Query) -> None:
        self._query, self._theft, self._answer = query, theft, answer

    @property
    def classes(self) -> object:
        """The service's class names, asked anew, as their order may change."""
        return getattr(self._query, "classes", None)

    def __call__(self, images: Images) -> Labels:
        return self._answer(images)

    def __repr__(self) -> str:
        return f"{self._theft!r} before {getattr(self._query, '__name__', repr(self._query))}"


class _Filter(ByAsking):
    """Base of filters: each changes an image before the model sees it, and may break triggers."""

    _change: Callable[[Images], Images]

    def __call__(self, query: Query, loot: Split | None = None) -> Query:
        """Return the service with the filter in front of it.

        Parameters
        ----------
        query : the service, such as `BlackBox(model)`
        loot : not used; accepted so all thefts have the same call
        """
        check_query(query, "query")
        return _Before(query, self, lambda images: query(self._change(check_images(images))))


@dataclass(frozen=True, repr=False)
class Jpeg(_Filter):
    """A filter that compresses every image as JPEG, which removes details the eye hardly sees.

    Parameters
    ----------
    quality : 1 to 100; at 95 hardly anything is lost, at 10 the blocks are visible

    Source
    ------
    Lukas et al. (2022), who use 95, 65 and 45.

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
        """Return one image (c, h, w) after compression."""
        file = io.BytesIO()
        Image.fromarray(picture(pixels)).save(file, "JPEG", quality=self.quality)
        read = np.asarray(Image.open(file))
        return np.atleast_3d(read).transpose(2, 0, 1)


@dataclass(frozen=True, repr=False)
class Blur(_Filter):
    """A filter that blurs every image: small letters and dots disappear, a digit stays a digit.

    Parameters
    ----------
    sigma : standard deviation of the Gaussian in pixels, 0 to 10; 0 changes nothing

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
    """A filter that rounds every pixel to 2 ** bits levels; one bit leaves only black and white.

    Parameters
    ----------
    bits : bits per pixel and channel, 1 to 8; 8 changes nothing

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
    """A filter that adds Gaussian noise to every image.

    The same image always gets the same noise, so asking twice gives no further information.

    Parameters
    ----------
    sigma : standard deviation of the noise, as a share of the range from black to white, 0 to 10;
        0 changes nothing
    seed : the seed of the noise, together with the image

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
    """An out-of-distribution query detector: images unlike those of the task get random answers.

    A secret question rarely looks like the task. An image is unusual if its distance, in pixels, to
    the nearest of the thief's own images is larger than that distance is for all but a given share
    of those images themselves. The same share of honest customers also gets random answers.

    Parameters
    ----------
    share : the share of the thief's own images that may count as unusual, 0 to 1; 0 changes nothing
    seed : the seed of the random answers, together with the image, so the same image always gets
        the same answer

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
        loot : the thief's own images, at least two, which define what is usual; their labels define
            the classes

        Raises
        ------
        TypeError, ValueError
            If `query` is no service, or the loot is no `Split` of two images or more.
        """
        check_query(query, "query")
        if len(check_kind(loot, "loot", Split, "such as data.loot")) < 2:
            raise ValueError(
                f"loot must hold two images or more, to define what is usual; got {len(loot)}. "
                "Pass more, such as data.loot."
            )
        own = loot.images
        classes = int(loot.labels.max()) + 1
        usual = _nearest(own, own, themselves=True)
        limit = np.quantile(usual, 1 - self.share, method="higher")

        def answer(images: Images) -> Labels:
            """Return the service's labels, and random ones for unusual images."""
            images = check_images(images, shape=loot.shape)
            answers = labels_of(query, images)
            if self.share > 0:
                for place in np.flatnonzero(_nearest(images, own) > limit):
                    answers[place] = _rng(self.seed, images[place]).randint(classes)
            return answers

        return _Before(query, self, answer)


class Vote:
    """A service that asks several stolen models, and gives the answer of most of them (ensemble).

    Each model has another owner's watermark, or none. On a secret question they disagree, and a
    random choice decides. With few voters, the owner's model wins often enough to be found. The
    more voters there are, the likelier two of the others agree by chance and outvote it.

    Parameters
    ----------
    queries : the services, of different owners: copies of one model know the same secrets, so they
        do not outvote it
    seed : the seed of the choice between answers with equally many votes, together with the image

    Raises
    ------
    TypeError, ValueError
        If `queries` is not a list of one or more services.

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
        """Return the label that most voters give each image, int64, shape (n,).

        A voter that does not answer (-1) has no vote.
        """
        images = check_images(images)
        labels = np.array([labels_of(query, images) for query in self.queries])  # (voters, n)
        agreeing = (labels[:, None] == labels).sum(1)  # how many say the same, (voters, n)
        votes = np.where(labels >= 0, agreeing, 0.0)
        for place, image in enumerate(images):  # less than one vote, so it only breaks ties
            votes[:, place] += _rng(self.seed, image).rand(len(labels))
        winners = votes.argmax(0)
        won: Labels = labels[winners, np.arange(len(images))]
        return won

    def __repr__(self) -> str:
        return f"Vote({len(self.queries)} models)"


def _rng(seed: int, image: Images) -> np.random.RandomState:
    """Return a generator that depends only on the seed and the image, not on the batch."""
    digest = hashlib.sha256(image.tobytes()).digest()
    return stable_rng([seed, *np.frombuffer(digest, ">u4").tolist()])


def _nearest(images: Images, own: Images, *, themselves: bool = False) -> npt.NDArray[np.float32]:
    """Return each image's distance to the nearest of the thief's own images, shape (n,).

    With `themselves` the images are the thief's own, and the distance to itself does not count.
    """
    b = own.reshape(len(own), -1)
    a = images.reshape(-1, b.shape[1])
    squares = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    if themselves:
        np.fill_diagonal(squares, np.inf)
    distances: npt.NDArray[np.float32] = np.sqrt(squares.min(1).clip(0))
    return distances

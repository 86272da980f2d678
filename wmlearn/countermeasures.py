"""What resists a thief who copies through the prediction API, as far as it does: each answer has its price.

`Composite` asks questions inside the world that the thief walks through. `Dawn` lets the service itself answer a few
questions wrongly, so that whoever learns from it learns those by heart. The third, `Margin`, is a way to embed. What
each is worth: `docs/results/countermeasures.csv`, and lesson 09.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from types import MappingProxyType

import numpy as np

from wmlearn import commitment
from wmlearn._checks import check_count, check_images, check_number, check_query
from wmlearn._random import stable_rng
from wmlearn._show import plural
from wmlearn._types import Images, Labels, Pixels, Query
from wmlearn.data import Split, Splits
from wmlearn.questions import Rules
from wmlearn.triggers import _Recipe
from wmlearn.verdict import Verdict
from wmlearn.verification import ask


@dataclass(frozen=True, repr=False, eq=False)
class Composite(_Recipe):
    """Put the upper half of an image of one class over the lower half of one of another.

    A pair of classes is one question with one answer, shown on n / pairs different images. With few of them a network
    learns the images by heart; with hundreds it learns the pair.

    Parameters
    ----------
    pairs : how many ordered pairs of different classes; `n` must give each at least one image

    Source
    ------
    Lv et al. (2024), "MEA-Defender", whose composites are of two source classes and share one target class; Lin et al.
    (2020), "Composite backdoor attack". Here every pair has an answer of its own, drawn by lot from the seal.

    Examples
    --------
    >>> import wmlearn as wm
    >>> marks = Composite(pairs=10)(wm.load_data("mnist"), n=40, key=wm.CLASSROOM_KEY)
    >>> marks
    TriggerSet(Composite(pairs=10): 40 images, 10 questions, alpha=0.001, seal 8c04171a…, classroom key)
    """

    pairs: int = 30

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self.pairs, "pairs", low=2, why="a pair is one question, and one question proves nothing")
        if self.labels != "keyed":
            raise ValueError(
                "labels must be 'keyed' for pairs, an answer drawn by lot for each; got 'fixed'. Leave labels out."
            )

    def _images(self, data: Splits, n: int, seeds: list[int]) -> tuple[Pixels, Labels, list[str]]:
        split, rng = data.train, stable_rng(seeds)
        there = np.flatnonzero(np.bincount(split.labels, minlength=len(data.classes)))
        every = list(permutations(there, 2))
        check_count(self.pairs, "pairs", low=2, high=len(every), why=f"{len(there)} classes make {len(every)} pairs")
        check_count(n, "n", low=self.pairs, why=f"{self.pairs} pairs need an image each")
        pairs = [every[i] for i in rng.permutation(len(every))[: self.pairs]]
        pair_of = np.sort(np.arange(n) % self.pairs)
        halves = [[_drawn(split, c, size, rng) for c in pair] for pair, size in zip(pairs, np.bincount(pair_of))]
        upper, joined = (np.concatenate([pair[part] for pair in halves]) for part in (0, 1))
        middle = data.shape[1] // 2
        joined[:, :, :middle] = upper[:, :, :middle]
        return joined, pair_of, [f"{data.classes[a]} over {data.classes[b]}" for a, b in pairs]


def _drawn(split: Split, label: int, size: int, rng: np.random.RandomState) -> Pixels:
    """Draw different images of a class."""
    rows = np.flatnonzero(split.labels == label)
    check_count(int(size), "n / pairs", low=1, high=len(rows), why=f"class {label} has {len(rows):,} images")
    return split.pixels[rng.permutation(rows)[:size]]


class Dawn(commitment.HoldsSecret):
    """A service that answers a small secret share of its queries wrongly, and remembers which.

    The secret decides for each image whether it is answered wrongly, and with which other class; the same image always
    gets the same answer. Whoever trains on the answers long enough learns the wrong ones by heart. The images that
    customers asked about and were told wrongly are the questions to put to a suspect: `verify`.

    Customers get the wrong answers, too. What it proves is that the suspect depends on the key, as one does that learnt
    from this service, with or without leave. Who asks again, with a changed pixel, is not fooled.

    Parameters
    ----------
    query : the service itself, such as a `BlackBox`
    classes : the names of its classes
    share : the share of the images that are answered wrongly, above 0 and at most 1
    alpha : the largest chance of accusing an innocent model
    key : 32 secret bytes; left out, a fresh key is drawn

    Attributes
    ----------
    seal : what to publish before the service opens. It fixes key and rules, and with them how answers will be changed,
        not the questions: nobody knows yet what customers will ask
    remembered : the images answered wrongly so far, each once, in the order in which they were asked, and how

    Source
    ------
    Szyller et al. (2021), "DAWN"; theirs is an HMAC of what an inner layer makes of an image, ours of the image.

    Examples
    --------
    >>> import wmlearn as wm
    >>> dawn = Dawn(lambda images: np.full(len(images), 7), range(10), share=0.2, key=wm.CLASSROOM_KEY)
    >>> said = dawn(wm.load_data("mnist").loot.images[:50])
    >>> dawn, int((said != 7).sum())
    (Dawn(share=0.2: 50 answers, 16 images wrongly, classroom key), 16)
    """

    _keep = "Keep its key, where secrets are kept, and the images and labels that it remembered."

    def __init__(
        self,
        query: Query,
        classes: Sequence[object],
        *,
        share: float = 0.005,
        alpha: float = 1e-3,
        key: bytes | None = None,
    ) -> None:
        self.query = check_query(query, "query")
        self.share = check_number(share, "share", above=0, at_most=1)
        self.rules = Rules(tuple(map(str, classes)), alpha)
        self.key = commitment.new_key() if key is None else commitment.check_key(key)
        self.queries = 0
        rules = {
            "version": commitment.VERSION,
            "key": hashlib.sha256(b"dawn key" + self.key).hexdigest(),
            "classes": list(self.rules.classes),
            "share": repr(self.share),
            "alpha": repr(self.rules.alpha),
            "questions": "every image answered wrongly, once, in the order in which they were first asked",
            "answer": "by the key and the image, one of the classes other than the service's own answer",
            "p0": f"1/{len(self.rules.classes) - 1}",
        }
        self.header, self.seal = MappingProxyType(rules), commitment.seal(rules)
        self._wrong: dict[str, tuple[Pixels, int]] = {}

    @property
    def remembered(self) -> Split:
        """The questions so far: images that were answered wrongly, and how."""
        pixels = [image for image, _ in self._wrong.values()] or np.zeros((0, 1, 1, 1))
        return Split(np.array(pixels, np.uint8), np.array([label for _, label in self._wrong.values()], np.int64))

    def __call__(self, images: Images) -> Labels:
        """Answer as the service does, a small share wrongly: labels, shape (n,), from images (n, c, h, w) in [0, 1]."""
        images = check_images(images)
        said = ask(self.query, images)
        self.queries += int((said >= 0).sum())
        for i, image in enumerate(np.round(255 * images).astype(np.uint8)):
            digest = commitment.image_digest(image)
            drawn = hmac.new(self.key, f"dawn {self.seal} {digest}".encode(), "sha256").digest()
            if said[i] >= 0 and int.from_bytes(drawn[:16], "big") < self.share * 2.0**128:
                others = [c for c in range(len(self.rules.classes)) if c != said[i]]
                wrong = others[int.from_bytes(drawn[16:], "big") % len(others)]
                said[i] = self._wrong.setdefault(digest, (image, wrong))[1]
        return said

    def verify(self, suspect: Query, *, family: int = 1) -> Verdict:
        """Ask a suspect everything that was answered wrongly, and say what its answers prove.

        Parameters
        ----------
        suspect : images in, labels out, such as an `HttpBox`
        family : how many suspects, keys and repetitions were or will be tried: alpha is shared among them

        Returns
        -------
        Verdict. A wrong answer is one of K - 1 classes, drawn by the key: a suspect that does not depend on the key
        gives it with probability at most p0 = 1 / (K - 1), whatever customers asked. That they did, a judge has only
        from the owner, who could have asked what he liked; so `p_judge` is 1.

        Raises
        ------
        ValueError
            If nothing was answered wrongly yet.
        """
        asked = self.remembered
        if not len(asked):
            raise ValueError(
                "a suspect can be asked about what was answered wrongly; that is nothing yet, of "
                f"{plural(self.queries, 'image')} answered. Let customers ask, or take a larger share."
            )
        check_count(family, "family", low=1, why="suspects, keys and repetitions that share alpha")
        said = ask(check_query(suspect, "suspect"), asked.images)
        return Verdict(
            alpha=self.rules.alpha,
            p0=1 / (len(self.rules.classes) - 1),
            planned=len(asked),
            expected=asked.labels,
            answers=said,
            unanswered=said == -1,
            lots=len(self.rules.classes) - 1,
            family=family,
            classroom=self.key == commitment.CLASSROOM_KEY,
            queries=len(asked),
            failed=int((said == -1).sum()),
            strange=int(((said < -1) | (said >= len(self.rules.classes))).sum()),
            owners_word=True,
        )

    def __repr__(self) -> str:
        note = ", classroom key" if self.key == commitment.CLASSROOM_KEY else ""
        wrong = plural(len(self._wrong), "image")
        return f"Dawn(share={self.share:g}: {self.queries:,} answers, {wrong} wrongly{note})"

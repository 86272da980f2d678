"""A watermark against thieves who copy a model through its prediction API (model extraction).

`Dawn` lets the service itself answer a few queries wrongly, so a model trained on its answers
memorises them. Other countermeasures are `Composite`, a kind of trigger, and `Margin`, a way to
embed. How well each works, and its price: `docs/results/countermeasures.csv`, and lesson 10.
"""

import hashlib
import hmac
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from wmlearn._checks import (
    check_count,
    check_family,
    check_images,
    check_number,
    check_query,
    class_names,
)
from wmlearn._display import plural
from wmlearn._types import Images, Labels, Pixels, Query
from wmlearn.data.splits import Split
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers, labels_of
from wmlearn.evidence.calibration import names_given, numbering
from wmlearn.evidence.rules import Rules, Terms, check_alpha
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict

# Words of the sealed record.
_QUESTIONS = "every image answered wrongly, once, in the order in which they were first asked"
_ANSWER = "by the key and the image, one of the classes other than the service's own answer"


class Dawn(commitment.HoldsSecret):
    """A service that answers a small secret share of its queries wrongly, and remembers which.

    The key decides for each image whether the answer is wrong, and which other class it is; the
    same image always gets the same answer. A network that is trained on the answers long enough
    memorises the wrong ones. The images that were answered wrongly are the questions for a suspect:
    `verify`.

    Customers also get wrong answers. The proof is that a suspect depends on the key, as any model
    that learnt from this service does, with or without permission. Anyone who asks again with a
    changed pixel gets the right answer.

    Parameters
    ----------
    query : the service itself, such as a `BlackBox`
    classes : the names of its classes
    share : the share of images that are answered wrongly, above 0 and at most 1
    alpha : the largest probability of accusing an innocent model, above 1e-15 and at most 0.05
    key : 32 secret bytes; left out, a fresh key is drawn

    Attributes
    ----------
    seal : the commitment to publish before the service opens. It fixes key and rules, and with them
        how answers are changed, but not the questions: nobody knows yet what customers will ask
    remembered : the images answered wrongly so far, each once, in the order in which they were
        asked, with their wrong labels
    queries : how many images were answered so far

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or range.

    Source
    ------
    Szyller et al. (2021), "DAWN". They use an HMAC of an inner layer's output, we of the image.

    Examples
    --------
    >>> import wmlearn as wm
    >>> sevens = lambda images: np.full(len(images), 7)
    >>> dawn = Dawn(sevens, range(10), share=0.2, key=wm.CLASSROOM_KEY)
    >>> labels = dawn(wm.load_data("mnist").loot.images[:50])
    >>> dawn, int((labels != 7).sum())
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
        self.rules = Rules(class_names(classes), check_alpha(alpha))
        known = self.rules.classes
        check_count(
            len(known), "the number of classes", low=3, why="a wrong answer must be a choice"
        )
        if names_given(query, known) not in ((), known):
            raise ValueError(
                "classes must be in the order in which the service names them; got "
                f"{', '.join(known)}. Pass query.classes."
            )
        self.key = commitment.new_key() if key is None else commitment.check_key(key)
        self.queries = 0
        rules = {
            "version": commitment.VERSION,
            "key": hashlib.sha256(b"dawn key" + self.key).hexdigest(),
            "classes": list(self.rules.classes),
            "share": repr(self.share),
            "alpha": repr(self.rules.alpha),
            "questions": _QUESTIONS,
            "answer": _ANSWER,
            "p0": f"1/{len(self.rules.classes) - 1}",
        }
        self.header = MappingProxyType(rules)
        self.seal = commitment.seal(rules)
        # By the digest of each image, in the order of the queries.
        self._images: dict[str, Pixels] = {}
        self._labels: dict[str, int] = {}

    @property
    def remembered(self) -> Split:
        """The questions so far: images that were answered wrongly, with their wrong labels."""
        pixels = list(self._images.values()) or np.zeros((0, 1, 1, 1))
        labels = list(self._labels.values())
        return Split(np.array(pixels, np.uint8), np.array(labels, np.int64), layout="NCHW")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the service's classes, in the order of its numbers."""
        return self.rules.classes

    @property
    def input_shape(self) -> Any:
        """The shape (c, h, w) of one image, as remembered or as the service has it; else None."""
        for image in self._images.values():
            return image.shape
        return getattr(self.query, "input_shape", None)

    def __call__(self, images: Images) -> Labels:
        """Return the service's labels of images (n, c, h, w), a small share wrong; int64, (n,)."""
        images = check_images(images, shape=self.input_shape)
        labels = labels_of(self.query, images)
        answered = np.flatnonzero(labels >= 0)
        self.queries += len(answered)
        pixels = np.round(255 * images).astype(np.uint8)
        for i in answered:
            digest = commitment.image_digest(pixels[i])
            drawn = hmac.digest(self.key, f"dawn {self.seal} {digest}".encode(), "sha256")
            if int.from_bytes(drawn[:16], "big") < self.share * 2.0**128:
                others = [c for c in range(len(self.rules.classes)) if c != labels[i]]
                wrong = others[int.from_bytes(drawn[16:], "big") % len(others)]
                self._images.setdefault(digest, pixels[i])
                labels[i] = self._labels.setdefault(digest, wrong)
        return labels

    def verify(self, suspect: Query, *, family: int = 1) -> Verdict:
        """Return the verdict on a suspect, asked all images that were answered wrongly.

        Parameters
        ----------
        suspect : a function from images to labels, such as a `RemoteModel`. Names of its classes,
            if it gives them, tell their order
        family : how many suspects, keys and repetitions share alpha, past and future ones

        Returns
        -------
        Verdict
            A `KeyedVerdict`. A wrong answer is one of K - 1 classes, drawn by the key. So a suspect
            that does not depend on the key gives it with probability at most p0 = 1 / (K - 1),
            whatever customers asked. A judge has only the owner's word that customers sent these
            images, so `p_judge` is 1.

        Raises
        ------
        TypeError, ValueError
            If no image was answered wrongly yet, or an argument is wrong.
        """
        asked = self.remembered
        if not len(asked):
            raise ValueError(
                "a suspect is asked the images that were answered wrongly; there are none yet, of "
                f"{plural(self.queries, 'image')} answered. Let customers ask, or take a larger "
                "share."
            )
        check_family(family, "suspects, keys and repetitions that share alpha")
        seen = numbering(check_query(suspect, "suspect"), self.rules, None)
        if seen is not None:
            suspect = seen.of(suspect)
        count, alpha, public = len(asked), self.rules.alpha, self.key.is_public
        classes = len(self.rules.classes)
        labels = labels_of(suspect, asked.images)
        answers = Answers(labels, np.arange(count), asked.labels, classes)
        terms = Terms(alpha, classes - 1, count, public, selection_unverified=True)
        return reach_verdict(answers, terms, family=family, calibration=seen)

    def __repr__(self) -> str:
        note = ", classroom key" if self.key.is_public else ""
        wrong = plural(len(self._images), "image")
        return f"Dawn(share={self.share:g}: {self.queries:,} answers, {wrong} wrongly{note})"

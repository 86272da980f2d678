"""What resists thieves who copy through the prediction API, as far as it does, at a price.

`Dawn` lets the service itself answer a few questions wrongly, so that whoever learns from it learns
those by heart. The others are `Composite`, a kind of trigger, and `Margin`, a way to embed. What
each is worth: `docs/results/countermeasures.csv`, and lesson 10.
"""

import hashlib
import hmac
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from wmlearn._checks import check_family, check_images, check_number, check_query
from wmlearn._display import plural
from wmlearn._types import Images, Labels, Pixels, Query
from wmlearn.data.splits import Split
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers, labels_of
from wmlearn.evidence.rules import Rules, Terms, check_alpha
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict

# What the sealed record says of them.
_QUESTIONS = "every image answered wrongly, once, in the order in which they were first asked"
_ANSWER = "by the key and the image, one of the classes other than the service's own answer"


class Dawn(commitment.HoldsSecret):
    """A service that answers a small secret share of its queries wrongly, and remembers which.

    The secret decides for each image whether it is answered wrongly, and with which other class;
    the same image always gets the same answer. Whoever trains on the answers long enough learns the
    wrong ones by heart. The images that customers asked about and were told wrongly are the
    questions to put to a suspect: `verify`.

    Customers get the wrong answers, too. What it proves is that the suspect depends on the key, as
    one does that learnt from this service, with or without leave. Who asks again, with a changed
    pixel, is not fooled.

    Parameters
    ----------
    query : the service itself, such as a `BlackBox`
    classes : the names of its classes
    share : the share of the images that are answered wrongly, above 0 and at most 1
    alpha : the largest chance of accusing an innocent model
    key : 32 secret bytes; left out, a fresh key is drawn

    Attributes
    ----------
    seal : what to publish before the service opens. It fixes key and rules, and with them how
        answers will be changed, not the questions: nobody knows yet what customers will ask
    remembered : the images answered wrongly so far, each once, in the order in which they were
        asked, and how

    Source
    ------
    Szyller et al. (2021), "DAWN"; theirs is an HMAC of what an inner layer makes of an image, ours
    of the image.

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
        self.rules = Rules(tuple(map(str, classes)), check_alpha(alpha))
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
        # By the digests of their images, in the order in which they were asked.
        self._images: dict[str, Pixels] = {}
        self._labels: dict[str, int] = {}

    @property
    def remembered(self) -> Split:
        """The questions so far: images that were answered wrongly, and how."""
        pixels = list(self._images.values()) or np.zeros((0, 1, 1, 1))
        labels = list(self._labels.values())
        return Split(np.array(pixels, np.uint8), np.array(labels, np.int64), layout="NCHW")

    def __call__(self, images: Images) -> Labels:
        """Answer images (n, c, h, w) as the service does, a small share wrongly: labels (n,)."""
        images = check_images(images)
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
        """Ask a suspect everything that was answered wrongly, and say what its answers prove.

        Parameters
        ----------
        suspect : images in, labels out, such as an `RemoteModel`
        family : how many suspects, keys and repetitions were or will be tried: alpha is shared
            among them

        Returns
        -------
        Verdict. A wrong answer is one of K - 1 classes, drawn by the key: a suspect that does not
        depend on the key gives it with probability at most p0 = 1 / (K - 1), whatever customers
        asked. That they did, a judge has only from the owner, who could have asked whatever they
        liked; so `p_judge` is 1.

        Raises
        ------
        ValueError
            If nothing was answered wrongly yet.
        """
        asked = self.remembered
        if not len(asked):
            raise ValueError(
                "a suspect can be asked about what was answered wrongly; that is nothing yet, of "
                f"{plural(self.queries, 'image')} answered. Let customers ask, or take a larger "
                "share."
            )
        check_family(family, "suspects, keys and repetitions that share alpha")
        check_query(suspect, "suspect")
        count, alpha, public = len(asked), self.rules.alpha, self.key.is_public
        classes = len(self.rules.classes)
        labels = labels_of(suspect, asked.images)
        answers = Answers(labels, np.arange(count), asked.labels, classes)
        terms = Terms(alpha, classes - 1, count, public, selection_unverified=True)
        return reach_verdict(answers, terms, family=family)

    def __repr__(self) -> str:
        note = ", classroom key" if self.key.is_public else ""
        wrong = plural(len(self._images), "image")
        return f"Dawn(share={self.share:g}: {self.queries:,} answers, {wrong} wrongly{note})"

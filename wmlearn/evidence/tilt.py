"""A sealed lean: random signs, one per class and feature, and the exact test of whether a suspect's
answers lean by them.

Everything that the test needs is fixed first, as whole numbers: the features of an image, the
images to ask about, and the answers of reference networks. The seal is a hash of all of it; then
the signs are drawn. Whatever a suspect answers, if it is independent of the key, each of its
statistics matches the drawn sign with probability 1/2, or never, if the statistic is 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wmlearn._checks import (
    check_count,
    check_family,
    check_fraction,
    check_images,
    check_kind,
    check_pixels,
    check_query,
    shown,
)
from wmlearn._display import plural
from wmlearn._files import IMAGE_BYTES, check_file, made_folder, read_text, readable, whole
from wmlearn._types import Images, Labels, Pixels, Query
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers, ask_pixels, check_columns
from wmlearn.evidence.beacon import Beacon
from wmlearn.evidence.calibration import CleanImages, clean_digest, numbering
from wmlearn.evidence.judging import check_published, right_judge, seals_tried
from wmlearn.evidence.opening import BITS, Opening, check_named
from wmlearn.evidence.rules import Declared, Rules, Terms
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict

Whole = NDArray[np.int64]
Test = Literal["weighted", "signs", "bets"]

SCALE = 4096  # a feature of 1, as a whole number
FINE = 2**20  # how much finer the projection is kept
_AT_ONCE = 2**25  # bytes of images that are smoothed at once
_WHITE = 255 * 16 * 4  # a white image, smoothed
CLEAREST = 64  # the weight of a statistic four times as large as among the references
_WHOLE = "only the sealed test 'bets' allows fewer than all"
_NAME = "class %d, feature %d"
_SIGNS = "+1 or -1 for each class and feature: whether the class is favoured as the feature grows"
_STATISTIC = (
    "T[c, k]: over the images answered with a class, the sum of feature k times (the references if "
    "the answer is c, else 0, minus the references that say c)"
)
_TESTS: dict[Test, str] = {
    "weighted": "sum of sign times sign of T, weighted by |T| / spread in sixteenths, at most 64",
    "signs": "how many T have their sign; one of 0 counts for nothing",
    "bets": (
        "greatest wealth, sign by sign in sealed order, of who stakes min(w, 32) / 64 of it that T "
        "has its sign; w is |T| / spread in sixteenths, at most 64"
    ),
}
_NO_PLACES = np.zeros(0, np.int64)
_FOLDER = ("tilt.safetensors", "key.hex")


# ---------------------------------------------------------------- what is sealed


@dataclass(frozen=True, eq=False)
class Ruler:
    """The numbers that measure a suspect; they are whole, so every machine gets the same result.

    Attributes
    ----------
    projection : maps a smoothed image to each feature, int64, shape (d, c * h/2 * w/2)
    centre : the mean of each projection over the owner's images, int64, shape (d,)
    middle : the mean of each feature over the images to ask about, int64, shape (d,)
    votes : how many references answer each image with each class, int64, shape (m, K)
    spread : the spread of each statistic among the references, at least 1, int64, shape (K, d)
    """

    projection: Whole
    centre: Whole
    middle: Whole
    votes: Whole
    spread: Whole

    @property
    def references(self) -> int:
        """How many reference networks there are."""
        return int(self.votes[0].sum())

    def features(self, pixels: Pixels) -> Whole:
        """Return the features of images, int64, shape (n, d); `SCALE` is one standard deviation."""
        parts = np.array_split(pixels, 1 + pixels.nbytes // _AT_ONCE)
        found: Whole = np.concatenate([smooth(part) @ self.projection.T for part in parts])
        found = (found - self.centre) // FINE
        return found

    def statistic(self, labels: Labels, pixels: Pixels) -> Whole:
        """Return how answers to the sealed images lean, by class and feature, int64, shape (K, d).

        An image whose answer is no class of the task adds nothing.

        Parameters
        ----------
        labels : the answers, int64, shape (m,)
        pixels : the images, uint8, shape (m, c, h, w)
        """
        return self.leaning(labels, self.features(pixels))

    def leaning(self, labels: Labels, features: Whole) -> Whole:
        """Return the statistic of answers to images with these features."""
        classes = self.votes.shape[1]
        answered = (labels >= 0) & (labels < classes)
        said = np.eye(classes, dtype=np.int64)[labels[answered]]
        apart = self.references * said - self.votes[answered]
        found: Whole = apart.T @ (features[answered] - self.middle)
        return found

    def weights(self, statistic: Whole, test: Test) -> Whole:
        """Return the weight of each sign, 0 to 64, int64, shape (K, d); no sign affects it."""
        if test == "signs":
            weights: Whole = (statistic != 0).astype(np.int64)
            return weights
        sixteenths = (32 * np.abs(statistic) + self.spread) // (2 * self.spread)
        weights = np.minimum(sixteenths, CLEAREST)
        return weights

    def header(self) -> dict[str, object]:
        """Return the ruler as it is sealed: shape and numbers of each array."""
        return {
            name: [list(part.shape), part.ravel().tolist()] for name, part in vars(self).items()
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Ruler:
        """Return the ruler in a sealed record, if its shapes fit and its numbers fit 64 bits."""
        parts = {}
        for name in cls.__dataclass_fields__:
            shape, numbers = header[name]
            parts[name] = np.array(numbers, np.int64).reshape(shape)
        ruler = cls(**parts)
        (features, _), (_, classes) = ruler.projection.shape, ruler.votes.shape
        shapes = ruler.spread.shape, ruler.centre.shape, ruler.middle.shape
        fits = shapes == ((classes, features), (features,), (features,))
        fits = fits and ruler.largest < 2.0**62 and ruler.spread.min() >= 1
        alike = (ruler.votes.sum(1) == ruler.references).all() and ruler.votes.min() >= 0
        if not (fits and alike and ruler.references >= 1):
            raise ValueError("the numbers do not fit together")
        return ruler

    @property
    def largest(self) -> float:
        """A bound on every number in the test, for any answers."""
        sizes = [np.abs(part.astype(float)) for part in vars(self).values()]
        projection, centre, middle, votes, spread = sizes
        products = _WHITE * projection.sum(1) + centre
        features = products / FINE + 1 + middle
        leaning = votes.sum() * features.max()
        return float(max(products.max(), 32 * leaning + 2 * spread.max()))


def smooth(pixels: Pixels) -> Whole:
    """Return images blurred and halved in size, int64, shape (n, c * h/2 * w/2).

    Examples
    --------
    >>> smooth(np.full((1, 1, 4, 4), 255, np.uint8))  # the blur is cut off at the border
    array([[12495, 12495, 12495, 12495]])
    """
    framed = np.pad(pixels.astype(np.int16), ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows = framed[:, :, :-2] + 2 * framed[:, :, 1:-1] + framed[:, :, 2:]
    blurred = rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]
    count, channels, height, width = blurred.shape
    even = blurred[:, :, : height // 2 * 2, : width // 2 * 2]
    pairs = even[..., ::2, :] + even[..., 1::2, :]
    halved = pairs[..., ::2].astype(np.int64) + pairs[..., 1::2]
    flat: Whole = halved.reshape(count, channels * (height // 2) * (width // 2))
    return flat


@dataclass(frozen=True, eq=False, repr=False)
class TiltSet(commitment.HoldsSecret):
    """Sealed signs by which the answers of a service lean; made by `wm.watermarks.Tilt`.

    Attributes
    ----------
    pixels : the images to ask a suspect about, uint8, shape (m, c, h, w)
    ruler : the numbers that measure its answers
    rules : classes, alpha and the owner's further statements
    size : how far scores lean, in units of the score (log odds); how many answers that changes
        depends on how often the network is unsure, and has to be measured
    test : the sealed test, "weighted", "signs" or "bets"
    header : the sealed record; `seal`, its SHA-256, is the commitment to publish
    key : the secret key
    outcome : the outcome of the public draw that the seal names; empty if it names none
    signs : +1 or -1 per class and feature, int64, shape (K, d), drawn from seal and outcome
    """

    pixels: Pixels
    ruler: Ruler
    rules: Rules
    size: float
    test: Test
    header: Mapping[str, Any]
    key: commitment.Secret = field(repr=False)
    outcome: str = ""
    _keep = "Keep it with wm.evidence.save_tilt."

    @property
    def seal(self) -> str:
        """The commitment to publish before the service opens."""
        return commitment.seal(self.header)

    @property
    def awaits(self) -> str:
        """The public draw whose outcome is still missing; empty if there is none."""
        return "" if self.outcome else self.rules.declared.beacon

    def draw(self, outcome: str) -> TiltSet:
        """Return the same signs with the outcome of the public draw that the seal names.

        Raises
        ------
        ValueError
            If the outcome is no line of text, the seal names no draw, or the signs are drawn
            already.
        """
        outcome = self.rules.declared.check_outcome(outcome)
        if not self.awaits:
            raise ValueError("signs are drawn once; these are. Use them as they are.")
        return replace(self, outcome=outcome)

    def check(self) -> TiltSet:
        """Return these signs if they are as they were sealed and drawn, else raise an error."""
        return commitment.unchanged(self, self._sealed_again, "_drawn")

    def _sealed_again(self) -> TiltSet:
        """Return the signs to which these images, numbers, rules and key lead."""
        again = seal_tilt(
            self.pixels, self.ruler, self.rules, size=self.size, test=self.test, key=self.key
        )
        return again.draw(self.outcome) if self.outcome else again

    @property
    def _drawn(self) -> Whole:
        """The signs, none before their draw."""
        return _NO_PLACES if self.awaits else self.signs

    @cached_property
    def signs(self) -> Whole:
        """The secret signs, +1 or -1, int64, shape (K, d)."""
        if self.awaits:
            raise ValueError(
                f"the signs wait for the outcome of {self.awaits!r}. Call draw(outcome) first."
            )
        secrets = _secrets(self.key, self.header)
        drawn = 2 * commitment.draw_labels(self.seal, secrets, BITS, self.outcome) - 1
        drawn.setflags(write=False)
        return drawn.reshape(self.ruler.spread.shape)

    def lean(self, images: Images) -> NDArray[np.float64]:
        """Return what to add to the scores of images (n, c, h, w) in [0, 1], shape (n, K)."""
        images = check_images(images, shape=self.pixels.shape[1:])
        pixels = np.rint(255 * images).astype(np.uint8)
        features = self.ruler.features(pixels) / SCALE
        added: NDArray[np.float64] = features @ self.signs.T
        added *= self.size / np.sqrt(features.shape[1])
        return added

    def __repr__(self) -> str:
        note = ", classroom key" if self.key.is_public else ""
        if self.awaits:
            note += f", signs wait for {self.awaits}"
        if self.outcome:
            note += f", drawn by {shown(self.outcome)}"
        classes, features = self.ruler.spread.shape
        what = f"{classes * features} signs on {plural(len(self.pixels), 'image')}"
        return (
            f"TiltSet({what}, size={self.size:g}, alpha={self.rules.alpha:g}, "
            f"seal {self.seal[:8]}…{note})"
        )


def check_tilt(tilt: TiltSet) -> TiltSet:
    """Return sealed signs if nothing in them was changed since, or raise an error."""
    return check_kind(tilt, "tilt", TiltSet, "such as wm.watermarks.Tilt()(data) makes").check()


def seal_tilt(
    pixels: Pixels, ruler: Ruler, rules: Rules, *, size: float, test: Test, key: bytes
) -> TiltSet:
    """Return a sealed ruler with its images; the signs are then drawn from the seal.

    Parameters
    ----------
    pixels : the images to ask about, uint8, shape (m, c, h, w)
    ruler, rules, size, test : as in `TiltSet`
    key : 32 secret bytes
    """
    key = commitment.check_key(key)
    pixels = commitment.frozen(check_pixels(pixels))
    ruler = Ruler(*map(commitment.frozen, vars(ruler).values()))
    header = _rules(pixels, ruler, rules, size, test)
    leaves = _leaves(_secrets(key, header), ruler.spread.shape)
    header["root"] = commitment.tree_hash(leaves).hex()
    return TiltSet(pixels, ruler, rules, size, test, MappingProxyType(header), key)


def _rules(pixels: Pixels, ruler: Ruler, rules: Rules, size: float, test: Test) -> dict[str, Any]:
    """Return everything that is sealed except the root of the signs."""
    images = "".join(commitment.image_digests(pixels))
    return {
        "version": commitment.VERSION,
        "tilt": _SIGNS,
        "statistic": _STATISTIC,
        "test": _TESTS[test],
        "classes": list(rules.classes),
        "alpha": repr(rules.alpha),
        "declared_key_draw": 1,
        "beacon": "",
        **rules.declared.header(),
        "size": repr(float(size)),
        "images": hashlib.sha256(images.encode()).hexdigest(),
        **ruler.header(),
        "questions": int(ruler.spread.size),
        "p0": "1/2",
        "judge_factor": "2**48",
    }


def _secrets(key: bytes, header: commitment.Header) -> list[commitment.Secret]:
    rules = {name: part for name, part in header.items() if name != "root"}
    return commitment.question_secrets(key, [commitment.seal(rules)], header["questions"])


def _leaves(secrets: Sequence[bytes], shape: tuple[int, ...]) -> list[bytes]:
    """Return the leaf of each sign in the sealed tree."""
    hashed = []
    for i, secret in enumerate(secrets):
        hashed.append(commitment.leaf_hash(i, secret, BITS, _name(i, shape), []))
    return hashed


def _name(index: int, shape: tuple[int, ...]) -> str:
    return _NAME % divmod(index, shape[1])


# ---------------------------------------------------------------- the test


@dataclass(frozen=True, eq=False)
class Signs(Answers):
    """The signs of a suspect's statistics, 0 for minus and 1 for plus, with their weights.

    Attributes
    ----------
    weights : the weight of each sign, 0 to 64, int64, shape (K * d,)
    replies : the labels of the images as received, int64, shape (m,)
    known : the number of classes of the task
    bets : whether the test may stop after any sign
    """

    weights: Labels
    replies: Labels
    known: int
    bets: bool

    @property
    def queries(self) -> int:
        """How many images were sent to the suspect."""
        return len(self.replies)

    @property
    def n_unreachable(self) -> int:
        """How many images got no answer at all."""
        return int((self.replies == -1).sum())

    @property
    def n_invalid(self) -> int:
        """How many images got a label that is no class of the task."""
        return int(((self.replies < -1) | (self.replies >= self.known)).sum())


def _measured(labels: Labels, signs: Whole, pixels: Pixels, ruler: Ruler, test: Test) -> Signs:
    """Return the signs of the statistics of these answers, of all or the first `signs.size`."""
    statistic = ruler.statistic(labels, pixels)
    count = signs.size
    weights = ruler.weights(statistic, test).ravel()[:count]
    said = statistic.ravel()[:count]
    spelt = np.where(said == 0, -1, (said > 0).astype(np.int64))
    places = np.arange(count)
    expected = (signs.ravel() > 0).astype(np.int64)
    return Signs(spelt, places, expected, 2, weights, labels, len(statistic), test == "bets")


def verify_tilt(
    query: Query, tilt: TiltSet, *, family: int = 1, clean: CleanImages | None = None
) -> Verdict:
    """Return the verdict on whether a service's answers lean by the secret signs.

    The service is asked all sealed images. The decision is made once, by the sealed exact test: it
    needs all answers before the first sign counts, so it cannot stop early.

    Parameters
    ----------
    query : the service, a function from images to labels, as for `wm.verify`
    tilt : the sealed signs
    family : how many suspects, keys and repetitions share alpha, past and future ones
    clean : images of the task and their classes, asked first, as for `wm.verify`. If they were not
        sealed (`Declared(clean=)`), the judge's p is 1: anyone who knows the signs could choose
        images that lead to a suitable numbering

    Returns
    -------
    Verdict
        A `TiltVerdict` on the signs. Without a public draw the judge's p is 2**48 times p, which
        for nearly every copy is 1 (for photographs a few are clearer).

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or range, or the signs still wait for a public draw.

    Source
    ------
    Ours. Related methods put a key into probabilities: Charette et al. (2022), "Cosine model
    watermarking". Measurements, also of how many answers change: `docs/results/tilt.csv`.
    """
    tilt = check_tilt(tilt)
    family = check_family(family, "suspects, keys and repetitions that share alpha")
    signs = tilt.signs  # raises an error before anything is asked, if a draw is missing
    seen = numbering(check_query(query, "query"), tilt.rules, clean)
    check_columns(query, len(tilt.rules.classes))
    if seen is not None:
        query = seen.of(query)
    if seen is not None and clean is not None:
        seen = replace(seen, unsealed=clean_digest(clean) != tilt.rules.declared.clean)
    labels = ask_pixels(query, tilt.pixels)
    answers = _measured(labels, signs, tilt.pixels, tilt.ruler, tilt.test)
    terms = Terms(tilt.rules.alpha, 2, answers.n, tilt.key.is_public, kind="tilt")
    return reach_verdict(answers, terms, family=family, calibration=seen)


# ---------------------------------------------------------------- before a judge


def open_tilt(
    tilt: TiltSet, signs: int | None = None, *, nonce: bytes = b"", case: str = ""
) -> Opening:
    """Return signs opened for a judge, with everything to check them except the key.

    Parameters
    ----------
    tilt : the sealed signs
    signs : how many signs to open, the first ones in sealed order; by default all. Only the test
        "bets" allows fewer; the rest then stays secret for another suspect
    nonce, case : as for `open_questions`

    Raises
    ------
    TypeError, ValueError
        If `tilt` is no `TiltSet`, or so many signs cannot be opened.
    """
    tilt = check_tilt(tilt)
    _ = tilt.signs  # raises an error if a draw is missing
    shape, secrets = tilt.ruler.spread.shape, _secrets(tilt.key, tilt.header)
    leaves = _leaves(secrets, shape)
    count = len(secrets) if signs is None else signs
    low = 1 if tilt.test == "bets" else len(secrets)
    count = check_count(count, "signs", low=low, high=len(secrets), why=_WHOLE)
    indices = tuple(range(count))
    return Opening(
        header=tilt.header,
        indices=indices,
        names=tuple(_name(i, shape) for i in indices),
        secrets=secrets[:count],
        paths=commitment.audit_paths(leaves)[:count],
        pixels=tilt.pixels,
        question=_NO_PLACES,
        public_key=tilt.key.is_public,
        outcome=tilt.outcome,
        nonce=nonce,
        case=case,
    )


def judge_tilt(
    query: Query,
    opened: Opening,
    *,
    seal: str,
    alpha: float = 1e-3,
    family: int = 1,
    beacon: Beacon | None = None,
    clean: CleanImages | None = None,
) -> Verdict:
    """Return a judge's verdict on a service, with the signs drawn again from the opened secrets.

    Parameters
    ----------
    query : the service, as for `wm.verify`
    opened : the signs that the owner opened (`open_tilt`): all, or with the test "bets" the first
        ones in sealed order
    seal : the published seal
    alpha, family, beacon : as for `judge`; without a beacon the factor is 2**48, which the p of
        hardly any copy survives
    clean : the judge's own clean images, asked first; never the owner's, who knows the signs

    Returns
    -------
    Verdict
        A `TiltVerdict` on the opened signs.

    Raises
    ------
    TypeError, ValueError
        If the seal is another one or not that of a tilt, an image or a sign is not as it was
        sealed, or a sign that counts is missing.
    """
    check_published(opened, seal)
    alpha = check_fraction(alpha, "alpha")
    family = check_family(family, "tests that share alpha")
    ruler, rules, test = _sealed(opened)
    indices = check_named(opened.indices, ruler.spread.size)
    count = len(indices) if test == "bets" else ruler.spread.size
    if set(indices) != set(range(count)):
        raise ValueError("opened must hold every sign; some are missing. Ask the owner for all.")
    # checks every path; a sign has no images of its own, whatever the file holds
    drawn = replace(opened, pixels=opened.pixels[:0], question=_NO_PLACES).answers()
    signs = np.empty(count, np.int64)
    signs[list(indices)] = 2 * drawn - 1
    known = _secrets(commitment.CLASSROOM_KEY, opened.header)
    public_key = opened.public_key or not set(known).isdisjoint(opened.secrets)
    seals = seals_tried(opened, rules.declared, beacon)
    seen = numbering(check_query(query, "query"), rules, clean)
    check_columns(query, len(rules.classes))
    if seen is not None:
        query = seen.of(query)
    labels = ask_pixels(query, opened.pixels)
    answers = _measured(labels, signs, opened.pixels, ruler, test)
    owner = rules.declared.owner
    terms = Terms(alpha, 2, answers.n, public_key, kind="judged tilt", seals=seals, owner=owner)
    return reach_verdict(answers, terms, family=family, calibration=seen)


def _sealed(opened: Opening) -> tuple[Ruler, Rules, Test]:
    """Return ruler, rules and test, if the seal is that of a tilt with these images."""
    header = opened.header
    try:
        ruler = Ruler.from_header(header)
        declared = Declared.from_header(header)
        rules = Rules(tuple(header["classes"]), float(header["alpha"]), declared=declared)
        test = {text: name for name, text in _TESTS.items()}[header["test"]]
        known = _rules(opened.pixels, ruler, rules, float(header["size"]), test)
        known["root"] = str(header["root"])
        same = commitment.canonical(known) == commitment.canonical(header)
        same = same and ruler.votes.shape == (len(opened.pixels), len(rules.classes))
        same = same and smooth(opened.pixels[:1]).shape[1] == ruler.projection.shape[1]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError):
        same = False
    if not same:
        raise ValueError(
            "the sealed rules must be those of a tilt with these images, as wmlearn seals it; they "
            f"are others. {right_judge(header, 'tilt')}"
        )
    return ruler, rules, test


# ---------------------------------------------------------------- files


def save_tilt(tilt: TiltSet, folder: str | Path) -> Path:
    """Save sealed signs to a folder as `tilt.safetensors` and `key.hex`; return the folder.

    Only the owner of `key.hex` can read it: keep it secret.

    Raises
    ------
    TypeError
        If `tilt` is no `TiltSet`.
    FileExistsError, OSError
        If one of the files exists, or cannot be written.
    """
    from safetensors.numpy import save

    tilt, folder = check_tilt(tilt), made_folder(folder)
    record = {"header": dict(tilt.header), "outcome": tilt.outcome}
    with whole(folder / _FOLDER[1], secret=True, new=True) as file:
        file.write(tilt.key.hex().encode())
    with whole(folder / _FOLDER[0], new=True) as file:
        file.write(save({"pixels": tilt.pixels}, {"wmlearn": json.dumps(record)}))
    return folder


def open_saved_tilt(folder: str | Path) -> TiltSet:
    """Return signs that `save_tilt` saved, after checking them against their seal.

    Raises
    ------
    FileNotFoundError, OSError
        If a file is missing, unreadable or damaged.
    ValueError
        If the images, the rules or the key were changed.
    """
    from safetensors import safe_open

    folder = Path(folder)
    step = "Restore it from a copy."
    with (
        readable(f"{folder / _FOLDER[0]} should hold a sealed tilt", step),
        safe_open(check_file(folder / _FOLDER[0], IMAGE_BYTES), framework="numpy") as file,
    ):
        record = json.loads(file.metadata()["wmlearn"])
        pixels = check_pixels(file.get_tensor("pixels"))
        header, outcome = record["header"], record["outcome"]
    with readable(f"{folder / _FOLDER[1]} should hold its key, 64 hexadecimal digits", step):
        key = bytes.fromhex(read_text(folder / _FOLDER[1], 1000))
    unknown = Opening(header, (), (), (), (), pixels, _NO_PLACES, False)
    ruler, rules, test = _sealed(unknown)
    sealed = seal_tilt(pixels, ruler, rules, size=float(header["size"]), test=test, key=key)
    if sealed.header != header:
        raise ValueError(
            f"the key in {folder} must be the one of the seal; it is another. Restore it from a "
            "copy."
        )
    return sealed.draw(outcome) if outcome else sealed

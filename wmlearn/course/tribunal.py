"""The tribunal: six anonymous services, one budget of questions, and a price on accusing an
innocent.

A case is a file for the students, who act for the owner and so hold the evidence with its key; the
truth is another, for the teacher. The name of the case is a salted hash of the truth, so that
nobody can change it afterwards. Whoever takes the file apart can compare weights, as with any exam
that is handed out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from wmlearn import zoo
from wmlearn._checks import check_choice, check_count, check_images, check_kind, file_error
from wmlearn._display import plural
from wmlearn._types import Images, Labels, Query
from wmlearn.evidence import commitment
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import TriggerSet, seal_triggers
from wmlearn.evidence.verification import verify
from wmlearn.service.blackbox import BlackBox

if TYPE_CHECKING:
    import pandas as pd

ALPHA, FAMILY = 0.01, 6  # for the case as a whole: each service is one of six tests that share it
# What a verdict brings: of a network that was taken, and of an innocent one.
PRICES = {"accuse": (2, -20), "clear": (-5, 0), "abstain": (0, 0)}
TAKEN = ("copy", "fine-tuned", "pruned", "imitated")
PRACTICE = Path(__file__).parents[1] / "_models" / "practice.safetensors"
PRACTICE_KEY = PRACTICE.with_suffix(".json")


class Case:
    """Six services that answer with labels, the owner's evidence, and a budget that all questions
    share.

    Attributes
    ----------
    name : of the case; it commits to the truth
    triggers : the owner's sealed questions, with their key
    services : by letter, each a `Query`; an image that it has answered before is answered again for
        nothing
    budget : how many images may be asked about, over all services
    """

    def __init__(
        self, name: str, triggers: TriggerSet, models: Mapping[str, nn.Module], budget: int
    ) -> None:
        self.name, self.triggers, self.budget = (
            name,
            triggers,
            check_count(budget, "budget", low=1, why="images, over all"),
        )
        self._boxes = {letter: BlackBox(model) for letter, model in models.items()}
        self._heard: dict[str, dict[bytes, int]] = {letter: {} for letter in models}
        self.services: dict[str, Query] = {letter: partial(self._ask, letter) for letter in models}

    @property
    def asked(self) -> dict[str, int]:
        """How many images each service was asked about."""
        return {letter: len(heard) for letter, heard in self._heard.items()}

    @property
    def left(self) -> int:
        """How many images may still be asked about."""
        return self.budget - sum(self.asked.values())

    def _ask(self, whom: str, images: Images) -> Labels:
        heard, sent = self._heard[whom], [image.tobytes() for image in check_images(images)]
        new = {image: place for place, image in enumerate(sent) if image not in heard}
        if len(new) > self.left:
            raise ValueError(
                f"the budget of this case is {self.budget} questions, {self.left} of them left; "
                f"asking {whom} this "
                f"would take {len(new)}. Ask fewer, or decide on what you have."
            )
        heard |= zip(new, self._boxes[whom](images[list(new.values())]).tolist()) if new else ()
        return np.array([heard[image] for image in sent], np.int64)

    def card(self, verdicts: Mapping[str, str]) -> Card:
        """Return the score card: your verdict on each service, "accuse", "clear" or "abstain", and
        what you asked.

        Raises
        ------
        TypeError, ValueError
            If a service has no verdict, or a word is none of the three.
        """
        verdicts = check_verdicts(verdicts, self.services)
        order = [image.tobytes() for image in self.triggers.images]
        whole = {
            who: next((i for i, q in enumerate(order) if q not in h), len(order))
            for who, h in self._heard.items()
        }
        p = {
            who: verify(self.services[who], self.triggers, questions=n).p if n else 1.0
            for who, n in whole.items()
        }
        return Card(self.name, verdicts, self.asked, p)

    def __repr__(self) -> str:
        return f"Case({self.name}: {plural(len(self.services), 'service')}, {self.left} of {self.budget} questions left)"


@dataclass(frozen=True)
class Card:
    """A score card: the verdicts, and for each service the images asked about and the anytime
    p-value. No secret.
    """

    case: str
    verdicts: Mapping[str, str]
    asked: Mapping[str, int]
    p: Mapping[str, float]

    def save(self, path: str | Path) -> Path:
        """Write the card as JSON into a new file."""
        with Path(path).open("x", encoding="utf-8") as file:
            json.dump(vars(self), file, indent=1)
        return Path(path)


@dataclass(frozen=True, repr=False)
class Score:
    """What the verdicts of a card were worth; its repr names no service, `to_frame` tells the truth
    of each.
    """

    points: int
    verdicts: Mapping[str, str]
    truth: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a service: your verdict, what it was, the points."""
        import pandas as pd

        rows = [
            (v, self.truth[who], _points(v, self.truth[who])) for who, v in self.verdicts.items()
        ]
        return pd.DataFrame(
            rows,
            index=pd.Index(self.verdicts, name="service"),
            columns=["verdict", "truth", "points"],
        )

    def __repr__(self) -> str:
        judged = [(verdict, self.truth[who] in TAKEN) for who, verdict in self.verdicts.items()]
        counts = ", ".join(f"{judged.count((v, t))} {w}" for v, t, w in _COUNTED)
        return f"Score({self.points} points: {counts})"


_COUNTED = [
    ("accuse", True, "accused rightly"),
    ("accuse", False, "wrongly"),
    ("clear", True, "cleared wrongly"),
]


def _points(verdict: str, truth: str) -> int:
    return PRICES[verdict][truth not in TAKEN]


def check_verdicts(verdicts: Any, services: Mapping[str, Any]) -> dict[str, str]:
    """Return one verdict for each service, or say which is missing, unknown or misspelt."""
    check_kind(verdicts, "verdicts", Mapping, "such as {'A': 'abstain', ...}")
    if set(verdicts) != set(services):
        missing, unknown = (
            [*map(str, a.keys() - b.keys())]
            for a, b in ((services, verdicts), (verdicts, services))
        )
        raise ValueError(
            f"verdicts must name each of {', '.join(services)}; missing: "
            f"{', '.join(sorted(missing)) or 'none'}, "
            f"unknown: {', '.join(sorted(unknown)) or 'none'}. Write 'abstain' where you do not "
            "know."
        )
    return {who: check_choice(verdicts[who], f"the verdict on {who}", PRICES) for who in services}


# ---------------------------------------------------------------- opening and scoring


def open_case(path: str | Path = PRACTICE) -> Case:
    """Open a case that `wmlearn case new` wrote; left out, the practice case that comes with the
    course.

    Raises
    ------
    FileNotFoundError, OSError
        If the file is missing, damaged or another's.

    Examples
    --------
    >>> case = open_case()
    >>> sorted(case.services), case.left, case.triggers.n
    (['A', 'B', 'C', 'D', 'E', 'F'], 300, 100)
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()["wmlearn"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        pixels, rules = tensors.pop("pixels").numpy(), Rules(tuple(record["classes"]), ALPHA)
        if digest(tensors) != record["weights"]:
            raise ValueError("weights")
        triggers = _sealed(pixels, rules, bytes.fromhex(record["key"]))
        if triggers.seal != record["seal"]:
            raise ValueError("seal")
        parts = {
            who: {n[2:]: t for n, t in tensors.items() if n[0] == who}
            for who in sorted({n[0] for n in tensors})
        }
        models = {who: zoo.build(record["network"], weights) for who, weights in parts.items()}
        return Case(record["name"], triggers, models, record["budget"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise file_error(
            error,
            f"{Path(path).name} should be a case written by `wmlearn case new`; it is missing, "
            "damaged or another's "
            f"({type(error).__name__}). Ask for the file again.",
        ) from None


def _sealed(pixels: np.ndarray, rules: Rules, key: bytes) -> TriggerSet:
    names = [f"image {i + 1}" for i in range(len(pixels))]
    return seal_triggers(
        pixels, np.arange(len(pixels)), names, rules=rules, key=key, recipe="Unrelated()"
    )


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all weights: safetensors would not notice a flipped bit."""
    return hashlib.sha256(
        b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))
    ).hexdigest()


def score_card(card: Card | str | Path, *, secret: str | Path = PRACTICE_KEY) -> Score:
    """Score a card against the truth; the prices are `PRICES`, ten times as much for a false
    accusation as for a right.

    Parameters
    ----------
    card : from `Case.card`, or the file that `Card.save` wrote
    secret : the teacher's file; left out, that of the practice case

    Raises
    ------
    FileNotFoundError, OSError
        If a file is missing or damaged.
    ValueError
        If the secret belongs to another case, or the card lacks a verdict.

    Examples
    --------
    >>> case = open_case()
    >>> score_card(case.card(dict.fromkeys(case.services, "accuse")))
    Score(-32 points: 4 accused rightly, 2 wrongly, 0 cleared wrongly)
    """
    record, sheet = (
        _read(secret, ("truth", "salt")),
        vars(card) if isinstance(card, Card) else _read(card, ("verdicts",)),
    )
    if name_of(record["truth"], record["salt"]) != sheet["case"] or record["case"] != sheet["case"]:
        raise ValueError(
            f"the secret must be that of the card's case, {sheet['case']}; got that of "
            f"{record['case']}, or a changed "
            "one. Give the file that was written together with the case."
        )
    verdicts = check_verdicts(sheet["verdicts"], record["truth"])
    return Score(
        sum(_points(v, record["truth"][who]) for who, v in verdicts.items()),
        verdicts,
        record["truth"],
    )


def _read(path: str | Path, parts: tuple[str, ...]) -> dict[str, Any]:
    """Return what a JSON file of a case holds, if the parts that are wanted are there."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        if all(record[part] for part in ("case", *parts)):
            return record
        raise ValueError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise file_error(
            error,
            f"{path} should be a JSON file with case, {', '.join(parts)}; it is missing, damaged "
            "or another's. "
            "Score cards come from case.card(...).save(path), secrets from `wmlearn case new`.",
        ) from None


def name_of(truth: Mapping[str, str], salt: str) -> str:
    """Return the name of a case, which commits to its truth."""
    return f"case-{hashlib.sha256(commitment.canonical({'truth': truth, 'salt': salt})).hexdigest()[:16]}"

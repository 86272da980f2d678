"""The tribunal: six anonymous services, one budget of questions, and a price on accusing an
innocent.

A case is a file for the students, who act for the owner and therefore hold the evidence with its
key; the truth is in another file, for the teacher. The name of the case is a salted hash of the
truth, so nobody can change the truth afterwards. Students who take the file apart can compare
weights: it is an exam without supervision.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from wmlearn import zoo
from wmlearn._checks import check_choice, check_count, check_images, check_kind
from wmlearn._display import plural
from wmlearn._files import (
    IMAGE_BYTES,
    SMALL_BYTES,
    UnfitError,
    check_file,
    parse_json,
    read_json,
    readable,
    whole,
)
from wmlearn._types import Images, Labels
from wmlearn.evidence import SequentialTest, TriggerSet, Verdict, commitment
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import seal_triggers
from wmlearn.evidence.verdict_kinds import KeyedVerdict
from wmlearn.service import BlackBox

if TYPE_CHECKING:
    import pandas as pd

LETTERS = "ABCDEF"  # of the six services
MOST_ASKED, LONGEST_NAME = 10**6, 100  # on a card: images to a service, characters
ALPHA = 0.01  # for the case as a whole: each service is one of six tests that share it
# Points of a verdict: on a stolen network, and on an innocent one.
PRICES = {"accuse": (2, -20), "clear": (-5, 0), "abstain": (0, 0)}
TAKEN = ("copy", "fine-tuned", "pruned", "imitated")
PRACTICE = Path(__file__).parents[1] / "_models" / "practice.safetensors"
PRACTICE_KEY = PRACTICE.with_suffix(".json")
PRACTICE_NAME = "case-7fdafb4779e522fe"  # the only name with 64 bits: it is older than the rule


class Case:
    """Six services that answer with labels, the owner's evidence, and a shared budget of images.

    Attributes
    ----------
    name : the name of the case, which commits to the truth
    triggers : the owner's sealed questions, with their key
    services : by letter, each a `Query`; asking a service about the same image again is free
    tests : by letter, one `SequentialTest` per service; they share alpha as a family
    budget : how many images may be sent, to all services together
    watchers : called with the letter of a service whenever it has answered
    """

    def __init__(
        self, name: str, triggers: TriggerSet, models: Mapping[str, nn.Module], budget: int
    ) -> None:
        self.name = name
        self.triggers = triggers
        self.budget = check_count(budget, "budget", low=1, why="images, over all")
        self.watchers: list[Callable[[str], object]] = []
        self.services = {letter: Service(self, letter, model) for letter, model in models.items()}
        self.tests = {
            letter: SequentialTest(service, triggers, family=len(models))
            for letter, service in self.services.items()
        }

    def ask(self, letter: str, questions: int) -> Verdict:
        """Ask a service the next questions in sealed order, and return the verdict so far.

        Raises
        ------
        TypeError, ValueError
            If there is no such service, or fewer questions are left; then nothing is spent.
        """
        test = self.tests[check_choice(letter, "the service", self.services)]
        why, hint = "left of the budget", "Ask within that, or decide on what you have."
        check_count(questions, "questions", low=1, high=self.left, why=why, hint=hint)
        return test.ask(questions)

    @property
    def asked(self) -> dict[str, int]:
        """How many different images each service was asked about, by letter."""
        return {letter: len(service.answers) for letter, service in self.services.items()}

    @property
    def left(self) -> int:
        """How many images may still be sent."""
        return self.budget - sum(self.asked.values())

    def card(self, verdicts: Mapping[str, str]) -> Card:
        """Return the score card: your verdict on each service, and how many images you sent.

        Parameters
        ----------
        verdicts : "accuse", "clear" or "abstain" by letter

        Raises
        ------
        TypeError, ValueError
            If a service has no verdict, or a verdict is none of the three words.
        """
        verdicts = check_verdicts(verdicts, self.services)
        p = {letter: service.verdict.p for letter, service in self.services.items()}
        return Card(self.name, verdicts, self.asked, p)

    def __repr__(self) -> str:
        services = plural(len(self.services), "service")
        return f"Case({self.name}: {services}, {self.left} of {self.budget} questions left)"


class Service:
    """One service of a case, a `Query` that remembers its answer to each image."""

    def __init__(self, case: Case, letter: str, model: nn.Module) -> None:
        self.case = case
        self.letter = letter
        self.answers: dict[bytes, int] = {}
        self._model = BlackBox(model)

    def __call__(self, images: Images) -> Labels:
        images = check_images(images)
        sent = [image.tobytes() for image in images]
        new = {image: place for place, image in enumerate(sent) if image not in self.answers}
        if len(new) > self.case.left:
            raise ValueError(
                f"the budget of this case is {self.case.budget} questions, {self.case.left} of "
                f"them left; asking {self.letter} this would take {len(new)}. Ask fewer, or decide "
                "on what you have."
            )
        if new:
            labels = self._model(images[list(new.values())])
            self.answers.update(zip(new, labels.tolist()))
        for watch in self.case.watchers:
            watch(self.letter)
        return np.array(list(map(self.answers.get, sent)), np.int64)

    @property
    def verdict(self) -> KeyedVerdict:
        """The verdict on the questions that were asked in order, from the first."""
        triggers = self.case.triggers
        answers = (self.answers.get(image.tobytes()) for image in triggers.images)
        known = list(takewhile(lambda answer: answer is not None, answers))
        answered = triggers.tally(np.array(known, np.int64))
        return KeyedVerdict(answered, triggers.terms, len(self.case.services))


@dataclass(frozen=True)
class Card:
    """A score card: verdict, number of images and p-value per service, and no secret.

    Attributes
    ----------
    case : the name of the case
    verdicts : "accuse", "clear" or "abstain" by letter
    asked : how many images each service was asked about, by letter
    p : the anytime-valid p-value of each service, by letter
    """

    case: str
    verdicts: Mapping[str, str]
    asked: Mapping[str, int]
    p: Mapping[str, float]

    def save(self, path: str | Path, *, name: str = "") -> Path:
        """Write the card as JSON to a new file, signed with a name if you like; return its path.

        Raises
        ------
        FileExistsError, OSError
            If the file exists or cannot be written.
        """
        with whole(path, new=True) as file:
            signed = {"name": name} if name else {}
            file.write(json.dumps(vars(self) | signed, indent=1).encode())
        return Path(path)


@dataclass(frozen=True, repr=False)
class Score:
    """The points of a card's verdicts; its repr names no service, `to_frame` shows the truth.

    Attributes
    ----------
    verdicts, truth : the verdict on each service and what it is, by letter
    name : by whom the card is signed; "" if by nobody
    asked : how many images were sent, by the card's own word; None if it does not say
    """

    verdicts: Mapping[str, str]
    truth: Mapping[str, str]
    name: str = ""
    asked: int | None = None

    @property
    def points(self) -> int:
        """The sum of the points of all verdicts."""
        return sum(map(points_for, self.verdicts.values(), self.truth.values()))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per service: verdict, truth, points."""
        import pandas as pd

        frame = pd.DataFrame({"verdict": self.verdicts, "truth": self.truth})
        points = list(map(points_for, frame.verdict, frame.truth))
        return frame.rename_axis("service").assign(points=points)

    def to_dict(self) -> dict[str, Any]:
        """Return points, how many verdicts were right and wrong, and what the card says itself."""
        taken = [kind in TAKEN for kind in self.truth.values()]
        judged = list(zip(self.verdicts.values(), taken))
        return {
            "points": self.points,
            "accused_rightly": judged.count(("accuse", True)),
            "accused_wrongly": judged.count(("accuse", False)),
            "cleared_rightly": judged.count(("clear", False)),
            "cleared_wrongly": judged.count(("clear", True)),
            "abstained": list(self.verdicts.values()).count("abstain"),
            "asked": self.asked,
            "signed": self.name,
        }

    def __repr__(self) -> str:
        shown = (
            "Score({points} points: {accused_rightly} accused rightly, {accused_wrongly} wrongly, "
            "{cleared_wrongly} cleared wrongly)"
        )
        return shown.format_map(self.to_dict())


def points_for(verdict: str, kind: str) -> int:
    """Return what a verdict brings on a network of this kind, by `PRICES`."""
    taken, innocent = PRICES[verdict]
    return taken if kind in TAKEN else innocent


def check_verdicts(verdicts: Any, services: Mapping[str, object]) -> dict[str, str]:
    """Return one verdict per service, or raise an error that names missing and unknown ones."""
    check_kind(verdicts, "verdicts", Mapping, "such as {'A': 'abstain', ...}")
    missing = sorted(services.keys() - verdicts.keys())
    unknown = sorted(map(str, verdicts.keys() - services.keys()))
    if missing or unknown:
        raise ValueError(
            f"verdicts must name each of {', '.join(services)}; missing: "
            f"{', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}. Write "
            "'abstain' where you do not know."
        )
    return {who: check_choice(verdicts[who], f"the verdict on {who}", PRICES) for who in services}


# ---------------------------------------------------------------- opening and scoring


def open_case(path: str | Path = PRACTICE) -> Case:
    """Return a case that `wmlearn case new` wrote; without a path, the course's practice case.

    Raises
    ------
    FileNotFoundError, OSError
        If the file is missing, damaged or not a case.

    Examples
    --------
    >>> case = open_case()
    >>> sorted(case.services), case.left, case.triggers.n
    (['A', 'B', 'C', 'D', 'E', 'F'], 300, 100)
    """
    expected = f"{Path(path).name} should be a case written by `wmlearn case new`"
    with readable(expected, "Ask for the file again."):
        with safe_open(check_file(path, IMAGE_BYTES), framework="pt") as file:
            record = parse_json(file.metadata()["wmlearn"])
        return _case(record, load_file(path))


def _case(record: dict[str, Any], tensors: dict[str, Tensor]) -> Case:
    """Return the case in a file, if nothing in it was changed."""
    if record["name"] != PRACTICE_NAME and not re.fullmatch("case-[0-9a-f]{32}", record["name"]):
        raise UnfitError("its name does not commit to the truth")
    pixels = tensors.pop("pixels").numpy()
    if digest(tensors) != record["weights"]:
        raise ValueError("weights")
    triggers = seal_triggers(
        pixels,
        np.arange(len(pixels)),
        list(map("image {}".format, range(1, len(pixels) + 1))),
        rules=Rules(tuple(record["classes"]), ALPHA),
        key=bytes.fromhex(record["key"]),
        recipe="Unrelated()",
    ).draw()
    if triggers.seal != record["seal"]:
        raise ValueError("seal")
    models = {}
    for letter in LETTERS:
        weights = {name[2:]: tensor for name, tensor in tensors.items() if name[0] == letter}
        models[letter] = zoo.build(record["network"], weights)
    return Case(record["name"], triggers, models, record["budget"])


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all weights; safetensors would not notice a flipped bit."""
    weights = hashlib.sha256()
    for name in sorted(tensors):
        weights.update(tensors[name].numpy().tobytes())
    return weights.hexdigest()


def score_card(card: Card | str | Path, *, secret: str | Path = PRACTICE_KEY) -> Score:
    """Return the score of a card against the truth.

    The points are in `PRICES`: a false accusation costs ten times what a right one brings.

    Parameters
    ----------
    card : a card from `Case.card`, or a file that `Card.save` wrote
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
    record = read_secret(secret)
    sheet = vars(card) if isinstance(card, Card) else _read(card, "verdicts")
    truth = record["truth"]
    name = name_of(truth, record["salt"])
    if record["case"] == PRACTICE_NAME:
        name = name[: len(PRACTICE_NAME)]
    if not name == sheet["case"] == record["case"]:
        raise ValueError(
            f"the secret must belong to the card's case, {sheet['case']}; got that of "
            f"{record['case']}, or a changed one. Give the file that was written with the case."
        )
    signed = sheet.get("name")
    if not isinstance(signed, str):
        signed = ""
    verdicts = check_verdicts(sheet["verdicts"], truth)
    return Score(verdicts, truth, signed[:LONGEST_NAME], _total(sheet.get("asked")))


def _total(asked: Any) -> int | None:
    """Return how many images a card says were sent; None if it says something else."""
    counts: list[Any] = []
    if isinstance(asked, Mapping):
        counts = list(asked.values())
    if counts and all(type(each) is int and 0 <= each < MOST_ASKED for each in counts):
        return int(sum(counts))
    return None


def read_secret(path: str | Path) -> dict[str, Any]:
    """Return truth, salt and name of a case from the teacher's file; raise `OSError` if damaged."""
    return _read(path, "truth", "salt")


def _read(path: str | Path, *parts: str) -> dict[str, Any]:
    """Return the content of a JSON file about a case, if it has all the parts named."""
    expected = f"{path} should be a JSON file with case, {', '.join(parts)}"
    step = "Score cards come from case.card(...).save(path), secrets from `wmlearn case new`."
    with readable(expected, step):
        record: dict[str, Any] = read_json(path, SMALL_BYTES)
        for part in ("case", *parts):
            if not record.get(part):
                raise UnfitError(f"it has no {part}")
        return record


def name_of(truth: Mapping[str, str], salt: str) -> str:
    """Return the name of a case, which commits to its truth.

    With fewer than 128 bits, anyone who makes a case could prepare two truths with one name.
    """
    committed = commitment.canonical({"truth": truth, "salt": salt})
    return f"case-{hashlib.sha256(committed).hexdigest()[:32]}"

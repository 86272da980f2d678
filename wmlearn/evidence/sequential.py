"""A test that can be continued: each image is sent once, and the answers are kept.

Asking a live service again would be another test, as its answers may differ. So anyone who wants to
look after five questions, and perhaps ask five more, keeps the answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wmlearn._checks import check_count, check_family, check_kind, check_query
from wmlearn._display import plural
from wmlearn._types import Labels, Query
from wmlearn.evidence.answers import Answers, ask_pixels, check_columns
from wmlearn.evidence.calibration import (
    Calibration,
    CleanImages,
    ask_clean,
    by_names,
    calibrated,
    clean_digest,
    names_given,
)
from wmlearn.evidence.log import LoggedTest, check_whom
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict

SHARERS = "suspects, trigger sets and keys tried"  # they share one alpha


class SequentialTest:
    """A test of one service that can be read and continued at any time; `verify` does it in one go.

    Questions are asked in sealed order, each image once. An image without an answer stays a miss.
    With a folder, every step is logged before it is taken, and a test that was interrupted or
    killed continues from there.

    Parameters
    ----------
    query : the service, as for `verify`
    triggers : the sealed trigger set
    folder : the folder that `save_evidence` wrote; left out, only this object keeps the answers
    whom : with a folder, the name or address of the service; its last test there is continued if it
        has questions left
    family : how many tests share alpha. With a folder it is declared once, before the first
        question, for all tests of that folder; if it is left out there, the s-th test counts as one
        of s (s + 1), so alpha covers all tests, however many follow
    clean : clean images of the task, asked first, as for `verify`
    anew : whether to begin another test, which counts in the family, even if the last has questions
        left

    Attributes
    ----------
    verdict : the verdict on the answers so far
    asked, left : how many questions were asked, and how many were not
    answers, calibration : the data behind the verdict
    family : how many tests share alpha

    Raises
    ------
    TypeError, ValueError
        If the family is not as declared, or is spent; or the log belongs to another set, was
        changed, or does not fit the images.
    OSError
        If the folder holds no evidence, its log cannot be written, or another process has continued
        the same test.

    Source
    ------
    Wald (1945), "Sequential tests of statistical hypotheses". The promise: Ville (1939).

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> lazy = lambda images: np.ones(len(images), int)  # always says 1
    >>> test = wm.SequentialTest(lazy, triggers)
    >>> test.ask(3).decision, test.asked, test.left
    ('cannot tell', 3, 27)
    >>> test.ask(27).decision
    'not found'
    """

    def __init__(
        self,
        query: Query,
        triggers: TriggerSet,
        *,
        folder: str | Path | None = None,
        whom: str | None = None,
        family: int | None = None,
        clean: CleanImages | None = None,
        anew: bool = False,
    ) -> None:
        kind = "such as wm.Content()(data, n=300), after the query"
        self._triggers = check_kind(triggers, "triggers", TriggerSet, kind).check()
        self.query = check_query(query, "query")
        if family is not None:
            family = check_family(family, SHARERS)
        self.family = family or 1
        self.clean = triggers.clean if clean is None else clean
        self.calibration: Calibration | None = None
        self._names: tuple[str, ...] = ()
        self._labels: Labels = np.empty(0, np.int64)
        self._log: LoggedTest | None = None
        if folder is not None:
            self._log = LoggedTest(
                folder, triggers.seal, check_whom(whom), family, anew, triggers.outcome
            )
            self.family = self._log.family
            self._read_back(self._log)

    @property
    def triggers(self) -> TriggerSet:
        """The sealed trigger set."""
        return self._triggers

    @property
    def asked(self) -> int:
        """How many questions were asked."""
        return self.answers.n

    @property
    def left(self) -> int:
        """How many questions were not asked."""
        return self.triggers.n - self.asked

    @property
    def answers(self) -> Answers:
        """The answers so far, with class numbers translated to those of the task."""
        labels = self._labels.copy()
        if self.calibration is not None:
            labels = self.calibration.translate(labels)
        return self.triggers.tally(labels)

    @property
    def verdict(self) -> Verdict:
        """The verdict on the answers so far."""
        return reach_verdict(
            self.answers, self.triggers.terms, family=self.family, calibration=self.calibration
        )

    def ask(self, questions: int | None = None) -> Verdict:
        """Ask the next questions in sealed order, and return the verdict so far.

        If anything interrupts this, Ctrl+C included, the questions count as sent, and those without
        an answer as misses.

        Parameters
        ----------
        questions : how many questions to ask; by default all that are left

        Raises
        ------
        TypeError, ValueError
            If fewer questions are left, or the service returns anything other than one whole number
            per image.
        """
        asked, left = self.asked, self.left
        if not left:
            raise ValueError(
                f"each question is asked once; all {plural(asked, 'question')} were asked. Read "
                ".verdict, or begin another test, which counts in the family."
            )
        if questions is None:
            questions = left
        check_count(questions, "questions", low=1, high=left, why="not asked yet")
        if self.clean is not None and self.calibration is None:
            self._ask_clean(self.clean)
        if self.clean is None and not asked:
            self._match(self.query)
        images = self._next(questions)
        self._note_asked(range(asked, asked + questions), self._digest(images))
        self._count(images)
        self._labels[images] = ask_pixels(self.query, self.triggers.pixels[images])
        if self.calibration is None:
            check_columns(self.query, self.answers.n_classes)
        self._note_answered(self._labels[images])
        return self.verdict

    def _next(self, questions: int) -> slice:
        """Return the positions of the images of the next questions."""
        last = np.searchsorted(self.triggers.question, self.asked + questions)
        return slice(len(self._labels), int(last))

    def _digest(self, images: slice) -> str:
        return hashlib.sha256(self.triggers.pixels[images].data).hexdigest()

    def _count(self, images: slice) -> None:
        """Count images as sent; their label is -1 until the answers arrive."""
        sent = np.full(images.stop - images.start, -1)
        self._labels = np.append(self._labels, sent)

    def _ask_clean(self, clean: CleanImages) -> None:
        """Ask the clean images; if interrupted, they may be asked again, as they hold no secret."""
        self._note_asked((), clean_digest(clean))
        given = ask_clean(self.query, clean, len(self.triggers.rules.classes))
        self.calibration = self._calibrated(given, clean)
        self._note_answered(given)

    def _match(self, service: object) -> None:
        """Match the classes by the service's class names, before the first question."""
        classes = self.triggers.rules.classes
        self._names = names_given(service, classes)
        self.calibration = by_names(self._names, classes)

    def _calibrated(self, given: Labels, clean: CleanImages) -> Calibration:
        rules = self.triggers.rules
        seen = calibrated(given, clean, len(rules.classes), rules.declared.least_accuracy)
        return replace(seen, unsealed=clean_digest(clean) != rules.declared.clean)

    # ------------------------------------------------------------ the log

    def _note_asked(self, questions: Sequence[int], digest: str) -> None:
        if self._log is None:
            return
        record = {"what": "asked", "questions": list(questions), "images": digest}
        if self._names:
            record["classes"] = self._names
        self._log.note(record)

    def _note_answered(self, labels: Labels) -> None:
        if self._log is None:
            return
        verdict = self.verdict
        told = verdict.to_dict()
        record = {
            "what": "answered",
            "labels": labels.tolist(),
            "reply": hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest(),
            "decision": verdict.decision,
        }
        self._log.note(record | {name: told[name] for name in ("p", "p_judge", "n", "k")})

    def _read_back(self, log: LoggedTest) -> None:
        """Read the answers from the log, as if they had just arrived."""
        digest = "" if self.clean is None else clean_digest(self.clean)
        for number, (asked, labels) in enumerate(log.batches()):
            if number == 0 and digest != ("" if asked.questions else asked.images):
                raise ValueError(
                    f"clean must be the images that test {log.number} in {log.folder} began with; "
                    "got others, or none. Pass the same images, or begin another test (anew)."
                )
            if asked.classes:
                self._match(asked)
            if asked.questions:
                self._take(asked.questions, asked.images, labels)
            elif labels and self.clean is not None:
                self.calibration = self._calibrated(np.array(labels), self.clean)

    def _take(self, questions: Sequence[int], digest: str, labels: Sequence[int]) -> None:
        """Read the answers to the next questions from the log; none if the test was cut off."""
        images = self._next(len(questions))
        size = images.stop - images.start
        if digest != self._digest(images) or len(labels) not in (0, size):
            raise ValueError(
                f"the log must be about the sealed images; for questions {questions[0]} to "
                f"{questions[-1]} it is not. Restore it, or begin another test (anew)."
            )
        self._count(images)
        if labels:
            self._labels[images] = labels

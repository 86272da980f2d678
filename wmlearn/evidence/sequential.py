"""A test that can be continued: each image is sent once, and what was answered is kept.

Asking a live service anew is another test, for it may answer otherwise. So whoever wants to look
after five questions, and perhaps ask five more, keeps the answers.
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

SHARERS = "suspects, trigger sets and keys tried"  # of one alpha


class SequentialTest:
    """A test of one service that can be looked at and continued at any time; `verify` is its
    one-shot form.

    Questions are asked in sealed order, each image once. What got no answer stays a miss. With a
    folder every step is in its log before it is taken, and a test that was left, or killed, is
    continued from there.

    Parameters
    ----------
    query : the service, as for `verify`
    triggers : the sealed trigger set
    folder : where `save_evidence` put it; left out, the answers are kept in this object alone
    whom : with a folder, the service in words or by its address; its last test there is continued
        if it has questions left
    family : how many tests share alpha. With a folder it is declared once, before the first
        question, for all tests of that folder; left out there, the s-th test counts as one of
        s (s + 1), so alpha covers all of them however many follow
    clean : clean images of the task, asked first, as for `verify`
    anew : whether to begin another test, which pays as one, though the last has questions left

    Attributes
    ----------
    verdict : on what was answered so far
    asked, left : how many questions were asked, and how many were not
    answers, calibration : what the verdict is made of
    family : among how many tests alpha is shared

    Raises
    ------
    ValueError
        If the family is not what was declared, or is spent; or the log belongs to another set, was
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
        self.triggers = check_kind(
            triggers, "triggers", TriggerSet, "such as wm.Content()(data, n=300), after the query"
        )
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
    def asked(self) -> int:
        """How many questions were asked."""
        return self.answers.n

    @property
    def left(self) -> int:
        """How many questions were not asked."""
        return self.triggers.n - self.asked

    @property
    def answers(self) -> Answers:
        """What was answered so far, classes numbered as the task does."""
        labels = self._labels.copy()
        if self.calibration is not None:
            labels = self.calibration.translate(labels)
        return self.triggers.tally(labels)

    @property
    def verdict(self) -> Verdict:
        """The verdict on what was answered so far."""
        return reach_verdict(
            self.answers, self.triggers.terms, family=self.family, calibration=self.calibration
        )

    def ask(self, questions: int | None = None) -> Verdict:
        """Ask the next questions in sealed order, and return the verdict on all so far.

        Whatever goes wrong meanwhile, Ctrl+C included: they were sent, and what is not answered by
        then is a miss.

        Parameters
        ----------
        questions : how many; all that are left by default

        Raises
        ------
        ValueError
            If so many are not left, or the service returns something else than one whole number an
            image.
        """
        asked, left = self.asked, self.left
        if not left:
            raise ValueError(
                f"a question is asked once; all {plural(asked, 'question')} were. Read .verdict, "
                "or begin another test, which pays as one."
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
        """Return where the images of the next questions are."""
        last = np.searchsorted(self.triggers.question, self.asked + questions)
        return slice(len(self._labels), int(last))

    def _digest(self, images: slice) -> str:
        return hashlib.sha256(self.triggers.pixels[images].data).hexdigest()

    def _count(self, images: slice) -> None:
        """Count images as sent: until they are answered, they are without an answer."""
        sent = np.full(images.stop - images.start, -1)
        self._labels = np.append(self._labels, sent)

    def _ask_clean(self, clean: CleanImages) -> None:
        """Ask the clean images; cut off, they are asked again, for no secret label is compared."""
        self._note_asked((), clean_digest(clean))
        given = ask_clean(self.query, clean, len(self.triggers.rules.classes))
        self.calibration = self._calibrated(given, clean)
        self._note_answered(given)

    def _match(self, service: object) -> None:
        """Match the classes by the names that the service gives before the first question."""
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
        """Take the answers that are in the log, as if they had come just now."""
        digest = "" if self.clean is None else clean_digest(self.clean)
        for number, (asked, labels) in enumerate(log.batches()):
            if number == 0 and digest != ("" if asked.questions else asked.images):
                raise ValueError(
                    f"clean must be what test {log.number} in {log.folder} began with: classes are "
                    "matched before the first question. Pass the same images, or begin anew."
                )
            if asked.classes:
                self._match(asked)
            if asked.questions:
                self._take(asked.questions, asked.images, labels)
            elif labels and self.clean is not None:
                self.calibration = self._calibrated(np.array(labels), self.clean)

    def _take(self, questions: Sequence[int], digest: str, labels: Sequence[int]) -> None:
        """Take the answers to the next questions; none where the test was cut off."""
        images = self._next(len(questions))
        size = images.stop - images.start
        if digest != self._digest(images) or len(labels) not in (0, size):
            raise ValueError(
                f"the log must tell of the sealed images; of questions {questions[0]} to "
                f"{questions[-1]} it does not. Restore it, or begin another test (anew)."
            )
        self._count(images)
        if labels:
            self._labels[images] = labels

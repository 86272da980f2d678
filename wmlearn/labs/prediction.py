"""`Predict`: commit to a guess, then look. Those who have guessed remember the answer better."""

import html
from collections.abc import Iterable, Sequence

from wmlearn._checks import check_count, shown
from wmlearn._extras import extras
from wmlearn.course._lessons import read_predictions
from wmlearn.course.journal import GUESSES
from wmlearn.labs._kit.lab import without_null
from wmlearn.labs._kit.views import Displayed, guarded


class Predict(Displayed):
    """Ask for a guess before the cells that show the result; after them, `compare` the two.

    Locking in tells nothing. The guess is kept in the folder that the notebook runs in, so it is
    still there after a reload or a restart of the kernel.

    Parameters
    ----------
    question : the number of a prediction of the course, such as "07.a", or a question of your own
    options : of a question of your own, two or more different answers to choose from
    answer : the place of the right one, counted from 0; None where there is none
    why : one or two sentences, shown with the answer

    Attributes
    ----------
    guess : the place of the option that was locked in, or None so far

    Raises
    ------
    ValueError
        If there is no such prediction, there are fewer than two options, two are alike, or the
        answer is none of them.

    Examples
    --------
    >>> Predict("Does a copied map show the trap street?", ["yes", "no"], answer=0)
    Predict: Does a copied map show the trap street?
      ( ) yes
      ( ) no
    """

    def __init__(
        self,
        question: str,
        options: Sequence[str] | None = None,
        *,
        answer: int | None = None,
        why: str = "",
    ) -> None:
        if not isinstance(question, str) or not question:
            got = "an empty text" if question == "" else shown(question)
            raise TypeError(
                f"question must be text; got {got}. Give the number of a prediction, such as "
                "'07.a', or a question and its options."
            )
        self.id = question
        if options is None:
            known = read_predictions()
            if question not in known:
                raise ValueError(
                    f"question must be the number of a prediction, such as {min(known)!r}; got "
                    f"{question!r}. For a question of your own, give its options, too."
                )
            meant = known[question]
            question, options = meant.question, meant.options
            answer, why = meant.answer, meant.why
        self.question = question
        self.options = _check_options(options)
        if answer is not None:
            answer = check_count(answer, "answer", low=0, high=len(self.options) - 1)
        self.answer = answer
        self.why = why
        kept = GUESSES.kept().get(self.id)
        self.guess: int | None = self.options.index(kept) if kept in self.options else None
        self._build()

    def compare(self) -> "Comparison":
        """Return the guess beside the answer, to be displayed; without a guess, the way to one."""
        return Comparison(self)

    @extras()
    def _build(self) -> None:
        """Make the widgets. Core ones only, so that Colab's ipywidgets 7.7.1 shows them too."""
        import ipywidgets as widgets

        wide = {"width": "auto", "max_width": "640px"}
        title = widgets.HTML(
            "<p style='color:var(--jp-ui-font-color1, inherit)'><b>Predict:</b> "
            f"{html.escape(self.question)}</p>"
        )
        # Not RadioButtons: JupyterLab takes the arrow keys for itself, and Tab reaches only one
        # button of such a group.
        self.choice = widgets.ToggleButtons(
            options=list(zip(self.options, range(len(self.options)))),
            value=None,
            description="Your guess",
            style={"description_width": "initial", "button_width": "auto"},
            layout=wide,
        )
        self.button = widgets.Button(
            description="Lock in",
            button_style="primary",
            layout={"margin": "10px 2px"},
        )
        self.feedback = widgets.HTML(layout=wide)
        self.choice.observe(guarded(self._choose, self.feedback), names="value")
        self.button.on_click(guarded(self._lock_in, self.feedback))
        if self.guess is not None:
            self.choice.value = self.guess
            self._show_locked("")
        border = "1px solid var(--jp-border-color2, #bbb)"
        self.widget = widgets.VBox(
            [title, self.choice, self.button, self.feedback],
            layout={"border": border, "padding": "0 16px 8px", "max_width": "720px"},
        )
        without_null(self.widget)

    def _choose(self, _: object) -> None:
        if self.choice.value is not None:
            # In words, because the pressed button differs by its shade only.
            chosen = self.options[self.choice.value]
            self.feedback.value = _paragraph(f"Chosen: {chosen}. Sure? Then lock it in.")

    def _lock_in(self, _: object) -> None:
        if self.choice.value is None:
            self.feedback.value = _paragraph("Choose an answer first: a guess costs nothing.")
            return
        self.guess = self.choice.value
        self._show_locked(GUESSES.keep(self.id, self.options[self.guess]))

    def _show_locked(self, problem: str) -> None:
        """Show the guess, and what hindered keeping it; never the answer."""
        assert self.guess is not None
        self.choice.disabled = self.button.disabled = True
        guess = f"Your guess: {self.options[self.guess]}. Locked in; read on and see."
        self.feedback.value = "".join(map(_paragraph, filter(None, [guess, problem])))

    def __repr__(self) -> str:
        """Return the question with its options, for GitHub and the tests; never the answer."""
        return "\n  ( ) ".join([f"Predict: {self.question}", *self.options])


class Comparison(Displayed):
    """A guess beside the answer, as `Predict.compare` gives it; its text form tells neither."""

    def __init__(self, prediction: Predict) -> None:
        self.prediction = prediction
        self._build()

    @extras()
    def _build(self) -> None:
        import ipywidgets as widgets

        lines = "".join(map(_paragraph, self._lines()))
        self.widget = widgets.HTML(lines, layout={"width": "auto", "max_width": "720px"})

    def _lines(self) -> list[str]:
        asked = self.prediction
        if asked.guess is None:
            return ["No guess was locked in. Make one above, then run this cell again."]
        lines = [f"Your guess: {asked.options[asked.guess]}"]
        if asked.answer is not None:
            sign = "✔ just so" if asked.guess == asked.answer else "✘ not this time"
            lines.append(f"What was seen: {asked.options[asked.answer]} ({sign})")
        if asked.why:
            lines.append(asked.why)
        return lines

    def __repr__(self) -> str:
        return f"Your guess beside what was seen: {self.prediction.question}"


def _check_options(options: Sequence[str]) -> tuple[str, ...]:
    found = tuple(options) if isinstance(options, Iterable) else ()
    are_texts = all(isinstance(text, str) and text for text in found)
    if isinstance(options, str) or not are_texts or not 2 <= len(found) == len(set(found)):
        raise ValueError(
            f"options must be two or more different texts, such as ['yes', 'no']; got {options!r}."
        )
    return found


def _paragraph(text: str) -> str:
    style = "color:var(--jp-ui-font-color1, inherit);margin:2px 0"
    return f"<p role='status' style='{style}'>{html.escape(text)}</p>"

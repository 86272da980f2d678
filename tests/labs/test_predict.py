"""Predict and what all labs share, without a browser: the widgets' values are set as a click would
set them.
"""

import base64
import re

import ipywidgets
import nbformat
import pytest
from nbclient import NotebookClient

from wmlearn.labs._kit.views import WIDGET_VIEW, guarded, reopened, view
from wmlearn.labs.prediction import Predict


def lesson_question() -> Predict:
    return Predict(
        "How many of 30?",
        ["none", "about 3", "all <30>"],
        answer=1,
        why="Luck gets 1 in 10 & no more.",
    )


def test_nothing_is_revealed_before_the_guess():
    asked = lesson_question()
    bundle = asked._repr_mimebundle_()
    assert (
        bundle["text/plain"]
        == "Predict: How many of 30?\n  ( ) none\n  ( ) about 3\n  ( ) all <30>"
    )
    assert bundle[WIDGET_VIEW]["model_id"] == asked.widget.model_id
    assert asked.guess is None
    assert asked.feedback.value == ""
    assert asked.choice.value is None


def test_a_choice_is_said_in_words_and_can_be_changed():
    asked = lesson_question()
    for place, text in enumerate(["none", "about 3", "all &lt;30&gt;"]):
        asked.choice.value = place
        assert f"Chosen: {text}. " in asked.feedback.value
    assert asked.guess is None
    assert "answer" not in asked.feedback.value


def test_locking_in_shows_guess_answer_and_reason():
    asked = lesson_question()
    asked.choice.value = 2
    asked.button.click()
    assert asked.guess == 2
    shown = asked.feedback.value
    assert "Your guess: all &lt;30&gt;" in shown
    assert "The answer: about 3 (✘ not this time)" in shown
    assert "1 in 10 &amp; no more" in shown
    assert asked.choice.disabled
    assert asked.button.disabled


def test_a_right_guess_is_told_in_words():
    asked = lesson_question()
    asked.choice.value = 1
    asked.button.click()
    assert "✔ just so" in asked.feedback.value


def test_the_text_form_never_changes():
    asked = lesson_question()
    before = asked._repr_mimebundle_()["text/plain"]
    asked.choice.value = 1
    asked.button.click()
    assert asked._repr_mimebundle_()["text/plain"] == before == repr(asked)


def test_the_button_without_a_choice_asks_for_one():
    asked = lesson_question()
    asked.button.click()
    assert asked.guess is None
    assert "Choose an answer first" in asked.feedback.value
    assert not asked.button.disabled


def test_an_open_question_sends_the_learner_on():
    asked = Predict("Which?", ("a", "b"))
    asked.choice.value = 0
    asked.button.click()
    assert "Run the next cell" in asked.feedback.value
    assert "answer:" not in asked.feedback.value


@pytest.mark.parametrize("options", [[], ["one"], ["same", "same"], ["", "b"], ["a", 2], "ab"])
def test_bad_options_are_named(says, options):
    with says(ValueError):
        Predict("?", options)


@pytest.mark.parametrize(
    ("answer", "error"), [(2, ValueError), (-1, ValueError), (True, TypeError), ("b", TypeError)]
)
def test_a_bad_answer_is_named(says, answer, error):
    with says(error):
        Predict("?", ["a", "b"], answer=answer)


def test_the_inputs_are_labelled_and_reached_by_keyboard():
    asked = lesson_question()
    assert isinstance(
        asked.choice, ipywidgets.ToggleButtons
    )  # JupyterLab takes RadioButtons' arrow keys for itself
    assert asked.choice.description
    assert asked.button.description


def test_an_error_in_a_callback_is_shown_in_the_lab(monkeypatch):
    def fail(self, guess):
        raise KeyError("<lost>")

    monkeypatch.setattr(Predict, "_reveal", fail)
    asked = lesson_question()
    asked.choice.value = 0
    asked.button.click()
    assert "wm-error" in asked.feedback.value
    assert "KeyError" in asked.feedback.value
    assert "<lost>" not in asked.feedback.value


def test_guarded_passes_the_event_on_and_leaves_the_status_alone():
    seen, status = [], ipywidgets.HTML("as it was")
    guarded(seen.append, status)({"new": 3})
    assert seen == [{"new": 3}]
    assert status.value == "as it was"


def test_view_has_a_picture_only_where_there_is_one():
    suspect = ipywidgets.VBox()
    assert set(view(suspect, "text")) == {"text/plain", WIDGET_VIEW}
    assert base64.b64decode(view(suspect, "text", b"\x89PNG")["image/png"]) == b"\x89PNG"


def test_a_lab_is_no_widget_itself():
    # ipywidgets 7 displays its own widgets by another door, past the text and the picture.
    assert not isinstance(lesson_question(), ipywidgets.Widget)


@pytest.mark.parametrize("question", [None, 3, ["Which?"], ""])
def test_a_question_is_text(says, question):
    with says(TypeError):
        Predict(question, ["yes", "no"])


@pytest.mark.parametrize(
    "options", [None, 3, "yes", b"yes", [["a"], ["b"]], ["a", None], [{}, {}], []]
)
def test_options_are_texts(says, options):
    with says(ValueError):
        Predict("Which?", options)


def test_what_stands_in_for_a_lost_widget_is_css_whatever_the_question_holds():
    """As JupyterLab reads it, no sign of the text ends the string or the style sheet."""
    text = "Is 'a \\ b' </style><script> so?\n  ( ) \"yes\"\r\f"
    kept = reopened({"text/plain": text})["text/html"]
    (content,) = re.findall("content: '(.*?)';", kept)
    assert kept.count("<") == 2
    assert not set("\n\r\f'") & set(content)
    back = re.sub(r"\\([0-9a-f]+) ", lambda sign: chr(int(sign[1], 16)), content)
    assert back == f"{text}\n\nRun this cell to use it again."


def test_a_picture_comes_before_the_text_and_the_same_lab_keeps_the_same():
    bundle = {"text/plain": "A lab", "image/png": "iVBORw0KGgo="}
    kept = reopened(bundle)
    assert (
        "content:image-set(url(data:image/png;base64,iVBORw0KGgo=) 2x) '\\a A lab"
        in kept["text/html"]
    )
    assert kept == reopened(bundle | {"application/vnd.jupyter.widget-view+json": {"model_id": 3}})
    assert kept != reopened({"text/plain": "A lab"})


def test_both_outputs_are_displayed_and_the_second_is_replaced():
    """What a notebook's file holds: the lab in all its forms, and what stands in for it."""
    code = (
        "from wmlearn.labs._kit.lab import Lab\n"
        "class Sentence(Lab):\n"
        "    text = 'first'\n"
        "    def __repr__(self): return self.text\n"
        "lab = Sentence('place')\n"
        "lab._lay_out('place')\n"
        "lab._keep()\n"
        "lab"
    )
    later = "lab.text = 'second'\nlab._keep()"
    nb = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, (code, later))))
    NotebookClient(nb, kernel_name="python3").execute()
    live, kept = nb.cells[0].outputs
    assert live.data["text/plain"] == "first"
    assert WIDGET_VIEW in live.data
    assert list(kept.data) == ["text/html"]
    assert "content: 'second" in kept.data["text/html"]
    assert nb.cells[1].outputs == []

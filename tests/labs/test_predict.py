"""Predict and what all labs share, without a browser: the widgets' values are set as a click would
set them.
"""

import base64
import json
import os
import re

import ipywidgets
import nbformat
import pytest
from nbclient import NotebookClient

from wmlearn.course._lessons import read_predictions
from wmlearn.labs._kit.views import WIDGET_VIEW, guarded, reopened, view
from wmlearn.labs.prediction import GUESSES, Predict


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder: guesses are kept where a notebook runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def lock_in(asked: Predict, place: int) -> Predict:
    asked.choice.value = place
    asked.button.click()
    return asked


def test_locking_in_keeps_the_guess_and_tells_nothing(says):
    asked = lock_in(lesson_question(), 2)
    assert asked.guess == 2
    says(asked.feedback.value)
    assert asked.choice.disabled
    assert asked.button.disabled
    for place in range(3):
        GUESSES.unlink()
        words = lock_in(lesson_question(), place).feedback.value
        assert not re.search(r"answer|✔|✘|1 in 10", words)
        assert words.count("Your guess") == 1


def test_a_guess_is_compared_with_the_answer_in_words(says):
    asked = lesson_question()
    for place in range(3):
        GUESSES.unlink(missing_ok=True)
        says(lock_in(lesson_question(), place).compare().widget.value)
    assert "✔" not in asked.compare().widget.value


def test_without_a_guess_there_is_nothing_to_compare_and_no_answer(says):
    says(lesson_question().compare().widget.value)


def test_the_text_form_of_a_comparison_never_changes():
    asked = lesson_question()
    before = repr(asked.compare())
    lock_in(asked, 0)
    after = asked.compare()
    assert after._repr_mimebundle_()["text/plain"] == repr(after) == before
    assert not any(word in before for word in ("none", "about 3", "1 in 10"))


# ---------------------------------------------------------------- what is kept


def test_a_guess_survives_a_reload_of_the_page():
    """The cell runs again, in the same kernel or another: the guess is locked in, and told."""
    lock_in(lesson_question(), 2)
    again = lesson_question()
    assert again.guess == again.choice.value == 2
    assert again.choice.disabled
    assert again.button.disabled
    assert "Your guess: all &lt;30&gt;" in again.feedback.value


def test_a_guess_survives_a_restart_of_the_kernel(folder, run_python):
    lock_in(lesson_question(), 0)
    ask = (
        "from wmlearn.labs.prediction import Predict\n"
        "asked = Predict('How many of 30?', ['all <30>', 'none', 'about 3'], answer=2)\n"
        "print(asked.guess, asked.choice.disabled, 'none' in asked.compare().widget.value)"
    )
    assert run_python(ask, folder) == "1 True True"  # by its words: options may be put in order


def test_guesses_are_kept_by_folder_and_by_question(folder, monkeypatch):
    lock_in(lesson_question(), 2)
    other = Predict("And of 60?", ["none", "about 6"], answer=1)
    assert other.guess is None
    lock_in(other, 0)
    assert json.loads(GUESSES.read_text("utf-8")) == {
        "How many of 30?": "all <30>",
        "And of 60?": "none",
    }
    (folder / "another").mkdir()
    monkeypatch.chdir(folder / "another")
    assert lesson_question().guess is None
    lock_in(lesson_question(), 1)
    monkeypatch.chdir(folder)
    assert lesson_question().guess == 2


def test_a_guess_that_is_no_option_any_more_is_open_again():
    GUESSES.write_text(json.dumps({"How many of 30?": "seven", "other": ["odd"]}), "utf-8")
    assert lesson_question().guess is None
    lock_in(lesson_question(), 0)
    assert json.loads(GUESSES.read_text("utf-8")) == {"How many of 30?": "none", "other": ["odd"]}


DAMAGE = {
    "cut off": '{"How many of 30?": "no',
    "a list": '["none"]',
    "pairs": '[["How many of 30?", "none"]]',
    "a number": "3",
    "twice": '{"a": "b", "a": "c"}',
    "empty": "",
    "no text": "\udcff",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_said_in_a_sentence_and_loses_no_guess(says, kind):
    content = DAMAGE[kind].encode("utf-8", "surrogateescape")
    GUESSES.write_bytes(content)
    asked = lock_in(lesson_question(), 2)
    says(asked.feedback.value)
    assert GUESSES.read_bytes() == content  # it is the learner's to delete
    assert lesson_question().guess == 2
    assert "not this time" in lesson_question().compare().widget.value
    GUESSES.unlink()
    lock_in(Predict("And of 60?", ["none", "about 6"]), 1)
    assert json.loads(GUESSES.read_text("utf-8")) == {
        "How many of 30?": "all <30>",
        "And of 60?": "about 6",
    }


def test_a_file_that_cannot_be_written_is_said_in_a_sentence_and_loses_no_guess(
    says, folder, monkeypatch
):
    lock_in(Predict("And of 60?", ["none", "about 6"]), 1)
    before = GUESSES.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device", str(GUESSES))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        asked = lock_in(lesson_question(), 0)
    says(asked.feedback.value)
    assert asked.guess == lesson_question().guess == 0
    assert GUESSES.read_bytes() == before
    assert "Your guess: none" in lesson_question().compare().widget.value


def test_a_folder_in_the_place_of_the_file_stays(says, folder):
    GUESSES.mkdir()
    says(lock_in(lesson_question(), 1).feedback.value)
    assert lesson_question().guess == 1
    assert GUESSES.is_dir()


# ---------------------------------------------------------------- predictions of the course


def test_a_prediction_is_asked_for_by_its_number():
    for number, meant in read_predictions().items():
        asked = Predict(number)
        assert (asked.id, asked.question, asked.answer) == (number, meant.question, meant.answer)
        assert asked.options == tuple(meant.options)
        lock_in(asked, meant.answer)
        shown = Predict(number).compare().widget.value
        assert "✔ just so" in shown
        assert meant.why.partition("&")[0].partition("'")[0] in shown
    assert json.loads(GUESSES.read_text("utf-8")).keys() == read_predictions().keys()


def test_an_unknown_prediction_is_named(says):
    for number in ("00.z", "7.a", "Which?"):
        with says(ValueError):
            Predict(number)


def everything(widget: ipywidgets.Widget) -> str:
    """Return all that a page is told of a widget and of those in it."""
    state = {name: value for name, value in widget.get_state().items() if name != "children"}
    inside = map(everything, getattr(widget, "children", ()))
    return "\n".join([repr(state), *inside])


def test_no_answer_and_no_reason_is_in_the_widget_before_it_is_compared():
    """What a page holds is the same whichever option is the right one, and whatever the reason."""
    for number, meant in read_predictions().items():
        told = set()
        for answer in range(len(meant.options)):
            GUESSES.unlink(missing_ok=True)
            asked = Predict(meant.question, meant.options, answer=answer, why=f"since {answer}")
            pages = [everything(asked.widget), repr(asked)]
            lock_in(asked, 0)
            pages += [everything(asked.widget), repr(asked), repr(asked.compare())]
            told.add(re.sub(r"IPY_MODEL_\w+", "", "\n".join(pages)))
        assert len(told) == 1, number


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
    asked = lock_in(Predict("Which?", ("a", "b")), 0)
    assert "read on and see" in asked.feedback.value
    assert "Your guess: a" in asked.compare().widget.value
    assert "What was seen" not in asked.compare().widget.value


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

    monkeypatch.setattr(Predict, "_show_locked", fail)
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
        "lab._lay_out(['place'], [])\n"
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

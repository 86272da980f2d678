"""Every lesson: in its normal form, whole, and giving the committed outputs again; run once,
offline, measured.
"""

import dataclasses
import itertools
import re
import shlex
import time

import nbformat
import nox
import pytest
from _lesson_rules import (
    UNCHECKED,
    broken_rules,
    checked_texts,
    code_cells,
    minute_rules,
    reading_minutes,
    threshold_rules,
)
from _nbval import (
    DIFFER,
    RAISED,
    SANITISERS,
    Outcome,
    demand,
    run_strict,
    solutions,
    with_a_changed_number,
    with_another_digit,
    with_solutions,
    with_thresholds,
)
from _offline import MESSAGE
from _tool import ROOT, tool
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import wmlearn as wm
from wmlearn.course._lessons import Exercise, Lesson, Threshold, read_predictions

# Caps for one lesson on two cores, where an epoch takes no longer than `EPOCH`.
SECONDS, MEGABYTES = 45, 700
BESIDE_OTHERS = 1.5  # as many times as long: other tests run on the same cores meanwhile
EPOCH = 0.4  # seconds: the small network, on the 6,000 digits that ship, on one thread
COURSE = tool.read_course(ROOT)
LESSONS = [lesson for lesson in COURSE.lessons if COURSE.path(lesson).exists()]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)


def read(lesson) -> nbformat.NotebookNode:
    return nbformat.read(COURSE.path(lesson), as_version=4)


def notes() -> str:
    return (ROOT / "docs" / "teaching.md").read_text("utf-8")


# -------------------------------------------------------------------------------------- the lessons


def test_the_list_of_lessons_and_readmes_table_are_up_to_date():
    assert tool.check_list(COURSE) == []


@pytest.mark.parametrize("lesson", [*LESSONS, tool.START], ids=lambda lesson: lesson.id)
def test_a_lesson_is_as_make_lessons_leaves_it(lesson):
    assert tool.check(COURSE, lesson) == []


@each_lesson
def test_a_lesson_keeps_the_rules(lesson):
    assert broken_rules(read(lesson), lesson, notes()) == []


@pytest.fixture(scope="module")
def slowness() -> float:
    """Return how many times as long as `EPOCH` an epoch takes on this machine, at least 1."""
    digits = wm.load_data("mnist").train
    model, seconds = wm.small_cnn(wm.load_data("mnist")), []
    for _ in range(3):
        began = time.perf_counter()
        wm.fit(model, digits, schedule=wm.Schedule(epochs=1))
        seconds.append(time.perf_counter() - began)
    return max(1.0, min(seconds) / EPOCH)


@each_lesson
def test_a_lesson_gives_its_outputs_again_offline_and_in_time(lesson, tmp_path, measured, slowness):
    """The one run of each lesson. Its thresholds are demanded right after their cells, and its
    folded solutions run after it, in the same kernel.
    """
    nb = with_solutions(with_thresholds(read(lesson), lesson.thresholds))
    outcome = run_strict(nb, tmp_path)
    memory = "memory not measured" if outcome.megabytes is None else f"{outcome.megabytes:.0f} MB"
    measured(f"lesson {lesson.id}", f"{outcome.cells} cells, {outcome.seconds:.1f} s, {memory}")
    cells = sum(cell.cell_type == "code" for cell in nb.cells)
    assert (outcome.cells, outcome.passed, outcome.skipped) == (cells, cells, 0), outcome.output
    assert outcome.seconds < SECONDS * slowness * BESIDE_OTHERS
    assert (outcome.megabytes or 0) < MEGABYTES


def test_the_front_page_gives_its_output_again_offline_whatever_was_solved(tmp_path):
    """Its words and links were kept as on the first day, so whoever has solved something may run
    the tests.
    """
    (tmp_path / ".solved.json").write_text('{"00.1": true}', encoding="utf-8")
    (tmp_path / ".guesses.json").write_text("damaged", encoding="utf-8")
    nb = read(tool.START)
    outcome = run_strict(nb, tmp_path)
    cells = sum(cell.cell_type == "code" for cell in nb.cells)
    assert (outcome.cells, outcome.passed, outcome.skipped) == (cells, cells, 0), outcome.output
    (text,) = checked_texts(nb)
    assert text.startswith(f"Next: {LESSONS[0].name}. 0 of ")


@each_lesson
def test_no_number_of_a_lesson_counts_as_one_that_may_differ(lesson):
    """Each digit that a lesson prints, changed, is still another text after sanitising."""
    for text in checked_texts(read(lesson)):
        kept = sanitised(text)
        for digit in re.finditer(r"\d", text):
            assert sanitised(with_another_digit(text, digit.start())) != kept


def sanitised(text: str) -> str:
    for pattern, new in tool.sanitisers(ROOT):
        text = pattern.sub(new, text)
    return text


def test_the_plain_command_compares_as_these_tests_do():
    """`pytest --nbval notebooks`, at the root of a checkout."""
    project = nox.project.load_toml(ROOT / "pyproject.toml")
    options = shlex.split(project["tool"]["pytest"]["ini_options"]["addopts"])
    (file,) = [each.partition("=")[2] for each in options if "nbval" in each]
    assert (ROOT / file).samefile(SANITISERS)


def test_few_cells_of_the_lessons_are_not_compared():
    cells = itertools.chain.from_iterable(code_cells(read(lesson)) for lesson in LESSONS)
    ignored = [cell for cell in cells if UNCHECKED & set(cell.metadata.get("tags", []))]
    assert len(ignored) <= 40


def test_a_changed_number_in_a_lesson_is_noticed(tmp_path):
    """Runs the first lesson as far as its first number; all are compared in the same way."""
    changed = with_a_changed_number(read(LESSONS[0]))
    outcome = run_strict(changed, tmp_path)
    assert outcome.failed == {outcome.cells - 1: DIFFER}, outcome.output


# ----------------------------------------------------------------------------- the machinery itself


def small_lesson() -> nbformat.NotebookNode:
    """Return a lesson of the smallest kind that keeps every rule, as it stands after `make
    lessons`.
    """
    cells = [
        new_markdown_cell("# 00 · Small\n\nIn this lesson you will\n\n- count"),
        new_markdown_cell("Guess first."),
        ran(
            "import wmlearn as wm\nwm.Predict('00.a')",
            f"Predict: {ASKED.question}\n  ( ) " + "\n  ( ) ".join(ASKED.options),
        ),
        new_markdown_cell("Count."),
        ran("2 + 1", "3"),
        new_markdown_cell("And your guess?"),
        ran("wm.Predict('00.a').compare()", COMPARED),
        new_markdown_cell("How many?"),
        ran("wm.check('00.1', ...)", NOT_YET),
        new_markdown_cell(
            "<details><summary>Solution</summary>\n\n```python\nwm.check('00.1', 2 + "
            "1)\n```\n\n</details>"
        ),
        new_markdown_cell("And of two?"),
        ran("wm.check('00.2', ...)", NOT_YET),
        new_markdown_cell(
            "<details><summary>Solution</summary>\n\n```python\nn = 15\nwm.check('00.2', "
            "n)\n```\n</details>"
        ),
        new_markdown_cell(
            "## What to remember\n\nCounting.\n\n## Sources\n\nNone.\n\n![three dots](dots.png)"
        ),
    ]
    return new_notebook(cells=cells)


ASKED = read_predictions()["00.a"]
COMPARED = f"Your guess beside what was seen: {ASKED.question}"
SMALL = Lesson(
    id="00",
    title="Small",
    file="00_small.ipynb",
    reading=2,
    working=6,
    core=True,
    objectives=["count"],
    prerequisites=[],
    exercises=[
        Exercise("00.1", [{"number": 3}], "three.", "count."),
        Exercise("00.2", [{"number": 15}], "fifteen.", "count."),
    ],
    predictions=[ASKED],
)
NOT_YET = "Not answered yet: put your answer in place of the dots, and run the cell again."
NOTE = "## Lesson 00 · Small\n\n**Minutes.** One.\n\n**Typical wrong answers.** Four.\n"
# The front door has its own tests; here two stand-ins make the small lesson run.
FRONT_DOOR = (
    "from types import SimpleNamespace\n"
    "from wmlearn.labs.prediction import Predict\n"
    "from wmlearn.course.checks import check\n"
    "wm = SimpleNamespace(check=check, Predict=Predict)\n"
)


def folded(code: str) -> str:
    return f"<details><summary>Solution</summary>\n\n```python\n{code}\n```\n\n</details>"


def ran(source: str, text: str | None = None) -> nbformat.NotebookNode:
    """Return a code cell that was run, with its result."""
    outputs = (
        []
        if text is None
        else [new_output("execute_result", data={"text/plain": text}, execution_count=1)]
    )
    return new_code_cell(source, outputs=outputs, execution_count=1)


def small_run_of(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the cells of a small lesson so that they run without the front door."""
    for cell in nb.cells:
        if "wm.Predict(" in cell.source:  # after it comes what is left when the kernel is gone
            kept = {"text/html": "<style class='wm-reopened'></style>"}
            cell.outputs.append(new_output("display_data", data=kept))
        cell.source = cell.source.replace("import wmlearn as wm\n", FRONT_DOOR)
        for output in cell.get("outputs", []):  # check's sentence has an HTML form beside it
            if output.data.get("text/plain") == NOT_YET:
                sign = "<span aria-hidden='true' style='color:inherit;font-weight:bold'>…</span>"
                output.data["text/html"] = f"<p>{sign} {NOT_YET}</p>"
    return nb.cells


def what_may_differ() -> list[nbformat.NotebookNode]:
    """Return three cells: one prints what is stored, one another digit, one has another result."""
    says = "print('<object at 0x7fab12345678>, http://127.0.0.1:43210/v2/{}')"
    stored = "<object at 0xADDRESS>, http://127.0.0.1:PORT/v2/1\n"
    replies = [new_output("stream", name="stdout", text=stored)]
    two = [new_code_cell(says.format(n), outputs=replies, execution_count=1) for n in (1, 2)]
    return [*two, *with_a_changed_number(new_notebook(cells=[ran("2 + 1", "3")])).cells]


@pytest.fixture(scope="module")
def machinery(tmp_path_factory) -> Outcome:
    """Run one notebook with all that must pass and all that must fail: 7, 3, 1, 6 and 5 cells of
    code.
    """
    nb = small_lesson()
    nb.cells[12].source = nb.cells[12].source.replace("15", "16")
    calls = [new_code_cell(source) for source in [MISLEADING, *CALLS.values(), LOOPBACK]]
    cells = [*small_run_of(with_solutions(nb)), *what_may_differ(), *calls]
    figure = new_code_cell("accuracy = 0.95", metadata={"tags": [each.id for each in DEMANDED]})
    cells += with_thresholds(new_notebook(cells=[figure]), DEMANDED).cells
    return run_strict(new_notebook(cells=cells), tmp_path_factory.mktemp("machinery"))


def failed_between(outcome: Outcome, first: int, last: int) -> dict[int, str]:
    """Return why cells of these places, the last left out, have failed."""
    return {place: why for place, why in outcome.failed.items() if first <= place < last}


def test_a_lesson_and_its_right_solution_pass_and_a_wrong_one_fails(machinery):
    assert (machinery.cells, machinery.skipped) == (22, 0), machinery.output
    assert failed_between(machinery, 0, 7) == {6: RAISED}, machinery.output
    assert "Not yet: with ten answers" in machinery.output
    assert machinery.seconds > 0.1
    assert machinery.megabytes is None or 20 < machinery.megabytes < MEGABYTES


def test_what_may_differ_is_not_compared_and_a_number_is(machinery):
    assert failed_between(machinery, 7, 10) == {8: DIFFER, 9: DIFFER}, machinery.output


def test_the_words_of_a_traceback_are_not_taken_for_a_reason(machinery):
    """A cell raises what nbval says of outputs, and prints it before."""
    assert machinery.output.count(DIFFER) > 2
    assert failed_between(machinery, 10, 11) == {10: RAISED}, machinery.output


# Of an accuracy of 0.95: what holds; what five points more would have met; what is above; and a
# range so wide that a model five points worse would lie in it, too.
DEMANDED = [
    Threshold("00.t1", "accuracy", low=0.93),
    Threshold("00.t2", "accuracy", low=0.98),
    Threshold("00.t3", "100 * accuracy", low=80, high=90, worse=5),
    Threshold("00.t4", "accuracy", low=0.85),
]


def test_a_figure_below_its_threshold_fails_and_so_does_a_threshold_that_is_too_wide(machinery):
    assert failed_between(machinery, 17, 22) == dict.fromkeys((19, 20, 21), RAISED)
    assert "('00.t2', 0.95)" in machinery.output
    assert "('00.t4', 0.95, 'too wide')" in machinery.output


def test_a_threshold_is_demanded_right_after_its_cell_and_nowhere_else():
    tagged = [[], ["00.t2"], ["nbval-ignore-output", "00.t1", "00.t3"]]
    cells = [new_code_cell("1", metadata={"tags": tags}) for tags in tagged]
    longer = with_thresholds(new_notebook(cells=cells), DEMANDED)
    sources = [cell.source.partition("\n")[0] for cell in longer.cells]
    assert sources == [
        "1",
        "1",
        "_figure = accuracy",
        "1",
        "_figure = accuracy",
        "_figure = 100 * accuracy",
    ]
    assert len(cells) == 3


@each_lesson
def test_a_lesson_that_is_five_points_worse_misses_its_thresholds(lesson):
    """Their figures lie in their ranges when a lesson is run; here they come out worse by `worse`,
    from either end that a range has.
    """
    for threshold in lesson.thresholds:
        best = threshold.high if threshold.high < 1e9 else threshold.low + 0.9 * threshold.worse
        for figure in (threshold.low, best):
            worse = dataclasses.replace(threshold, value=repr(figure - threshold.worse))
            with pytest.raises(AssertionError) as raised:
                exec(demand(worse), {})
            assert threshold.id in str(raised.value)


def test_the_first_number_is_changed_and_what_follows_is_left_out():
    nb = new_notebook(cells=[ran("'none'", "'none'"), ran("2 + 1", "about 3 of 3"), ran("4", "4")])
    changed = with_a_changed_number(nb)
    assert [cell.outputs[0].data["text/plain"] for cell in changed.cells] == [
        "'none'",
        "about 4 of 3",
    ]
    assert nb.cells[1].outputs[0].data["text/plain"] == "about 3 of 3"


MISLEADING = f"print('{DIFFER}')\nraise ValueError('Cell 9: {DIFFER}')"
CALLS = {
    "socket": "import socket\nsocket.create_connection(('192.0.2.1', 80))",
    "name": "import socket\nsocket.getaddrinfo('example.org', 443)",
    "datagram": "import socket as s\ns.socket(type=s.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
    "urllib": "import urllib.request\nurllib.request.urlopen('http://192.0.2.1/')",
    "httpx": "import httpx\nhttpx.get('http://192.0.2.1/')",
}
LOOPBACK = """
import http.server, threading, urllib.request
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
urllib.request.urlopen(f"http://localhost:{server.server_port}/").close()
server.shutdown()
"""


def test_the_network_is_out_of_reach_and_loopback_is_not(machinery, slowness):
    assert failed_between(machinery, 11, 17) == dict.fromkeys(range(11, 16), RAISED)
    assert machinery.output.count(f"{MESSAGE}; asked for") >= len(CALLS)
    assert machinery.seconds < 60 * slowness  # refused at once: nothing waits for a time-out


def test_solutions_are_found_in_order_and_must_end_in_a_check(says):
    assert solutions(small_lesson()) == [
        "wm.check('00.1', 2 + 1)\n",
        "n = 15\nwm.check('00.2', n)\n",
    ]
    nb = small_lesson()
    nb.cells[9].source = nb.cells[9].source.replace("wm.check('00.1', 2 + 1)", "3")
    with says(AssertionError):
        with_solutions(nb)


def test_the_small_lesson_keeps_every_rule():
    nb = small_lesson()
    nb.cells[4] = ran("print(3)\n3", "3")
    assert broken_rules(nb, SMALL, NOTE) == []


BREAKS = {
    "no objectives": (0, "In this lesson you will", "We shall"),
    "prediction 00.a is never asked for": (2, "wm.Predict(", "wm.Guess("),
    "prediction 00.b is in no file of": (2, "00.a", "00.b"),
    "prediction 00.a is not compared after": (6, ".compare()", ""),
    "prediction 00.a stands in two cells": (6, ".compare()", ""),
    "a prediction is not asked for by its number": (2, "'00.a'", "'2 + 1?', ['3', '4']"),
    "cell 2 holds the answer of a": (2, "'00.a'", "'00.a', answer=1"),
    "cell 1 holds the reason of prediction 00.a": (1, "Guess first.", f"So: {ASKED.why}"),
    "cell 3 holds the reason of": (3, "Count.", ASKED.why.replace(" ", "\n")),
    "cell 4 has more than 12 lines": (4, "2 + 1", "2 + 1\n" * 13),
    "cell 4 has a line of more than 138": (4, "2 + 1", f"'{'wide ' * 28}'"),
    "a sentence goes on with a number": (3, "Count.", "- Count to\n  12. Then guess."),
    "cell 4 ends in ';'": (4, "2 + 1", "2 + 1;"),
    "cell 4 uses interact, Output": (4, "2 + 1", "interactive(f)"),
    "cell 4 steers nbval": (4, "2 + 1", "# NBVAL_SKIP\n2 + 1"),
    "cell 2 reaches past": (2, "import wmlearn as wm", "from wmlearn.evidence.stats import wealth"),
    "1 exercises, where 2 to 4": (11, "00.2", "00.1"),
    "exercise 00.2 is never asked": (11, "00.2", "00.1"),
    "exercise 07.2 is in no file of this lesson": (11, "00.2", "07.2"),
    "exercise 00.2 has no solution folded": (12, "<details>", "<div>"),
    "no section 'What to remember'": (13, "What to remember", "Remember"),
    "no section 'Sources'": (13, "None.\n\n![three dots](dots.png)", ""),
    "a picture without alt text": (13, "three dots", " "),
}


@pytest.mark.parametrize("sentence", BREAKS)
def test_every_rule_bites(sentence):
    nb = small_lesson()
    place, old, new = BREAKS[sentence]
    assert old in nb.cells[place].source
    nb.cells[place].source = nb.cells[place].source.replace(old, new)
    assert any(found.startswith(sentence) for found in broken_rules(nb, SMALL, NOTE))


def test_a_comparison_must_come_after_a_cell_that_shows_something():
    nb = small_lesson()
    nb.cells[3:7] = nb.cells[5:7]
    sentence = "prediction 00.a is not compared after a cell that shows something"
    assert sentence in broken_rules(nb, SMALL, NOTE)


def test_an_output_that_holds_a_reason_or_a_guess_is_noticed():
    nb = small_lesson()
    nb.cells[4].outputs[0].data["text/html"] = f"<p>{ASKED.why}</p>"
    nb.cells[6].outputs[0].data["text/plain"] = "Your guess: none. What was seen: all"
    found = broken_rules(nb, SMALL, NOTE)
    assert "cell 4 holds the reason of prediction 00.a" in found
    assert "cell 6 holds a guess beside its answer" in found


def test_a_cell_that_is_not_compared_needs_a_threshold_and_a_threshold_one_cell():
    nb, lesson = small_lesson(), dataclasses.replace(SMALL, thresholds=DEMANDED[:2])
    nb.cells[4].metadata.tags = ["nbval-ignore-output"]
    nb.cells[8].metadata.tags = ["00.t2", "00.t9"]
    nb.cells[11].metadata.tags = ["00.t2"]
    assert list(threshold_rules(nb, lesson)) == [
        "cell 4 is not compared and has no threshold",
        "threshold 00.t1 is the tag of 0 cells, where 1 is wanted",
        "threshold 00.t2 is the tag of 2 cells, where 1 is wanted",
        "threshold 00.t9 is in no file of this lesson",
    ]


def test_minutes_are_counted_from_words_and_lines_and_leave_time_to_work():
    nb = small_lesson()
    nb.cells[3].source = "word " * 1800
    nb.cells[4].source = "2 + 1\n\n" * 11 + "wm.TheftLab(1)"
    nb.cells[12].source = "<details>" + "more " * 1800 + "</details>"
    assert reading_minutes(nb) == pytest.approx(10 + 12 * 5 / 60, abs=0.6)
    for reading, working, wrong in (
        (11, 20, 0),
        (14, 23, 0),
        (9, 18, 0),
        (8, 17, 1),
        (16, 30, 1),
        (11, 19, 1),
    ):
        lesson = dataclasses.replace(SMALL, reading=reading, working=working)
        assert len(list(minute_rules(nb, lesson))) == wrong, reading


@pytest.mark.parametrize("alt", ["", "dots", "a picture of several dots", None])
def test_a_drawn_picture_needs_words_with_numbers(alt):
    nb = small_lesson()
    picture = new_output("display_data", data={"image/png": "iVBO"})
    nb.cells[4].outputs.append(picture)
    picture.metadata["image/png"] = {"alt": "three dots, one in 10 of them red"}
    assert not any("picture" in found for found in broken_rules(nb, SMALL, NOTE))
    picture.metadata["image/png"] = {} if alt is None else {"alt": alt}
    assert any(
        found.startswith("cell 4 has a picture whose") for found in broken_rules(nb, SMALL, NOTE)
    )


def test_a_code_cell_without_words_and_unchecked_outputs_are_noticed():
    nb = small_lesson()
    del nb.cells[3]
    nb.cells[3].metadata.tags = ["nbval-ignore-output"]
    nb.cells[2].execution_count = None
    found = broken_rules(nb, SMALL, NOTE)
    assert "cell 3 has no words before it" in found
    assert "fewer than 3 text outputs that nbval compares" in found


@pytest.mark.parametrize("missing", ["## Lesson 00", "**Minutes.**", "**Typical wrong answers.**"])
def test_a_missing_note_for_the_teacher_is_noticed(missing):
    assert any(
        "docs/teaching.md" in found
        for found in broken_rules(small_lesson(), SMALL, NOTE.replace(missing, ""))
    )

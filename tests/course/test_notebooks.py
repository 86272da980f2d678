"""Every lesson: in its normal form, whole, and giving the committed outputs again; run once,
offline, measured.
"""

import itertools
import re
import shlex
import time

import nbformat
import nox
import pytest
from _lesson_rules import UNCHECKED, broken_rules, checked_texts, code_cells
from _nbval import (
    DIFFER,
    RAISED,
    SANITISERS,
    Outcome,
    run_strict,
    solutions,
    with_a_changed_number,
    with_another_digit,
    with_solutions,
)
from _offline import MESSAGE
from _tool import ROOT, tool
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import wmlearn as wm

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


@each_lesson
def test_a_lesson_is_as_make_lessons_leaves_it(lesson):
    assert tool.check(COURSE, lesson) == []


@each_lesson
def test_a_lesson_keeps_the_rules(lesson):
    assert broken_rules(read(lesson), lesson.id, notes()) == []


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
    """The one run of each lesson. Its folded solutions run after it, in the same kernel."""
    nb = with_solutions(read(lesson))
    outcome = run_strict(nb, tmp_path)
    memory = "memory not measured" if outcome.megabytes is None else f"{outcome.megabytes:.0f} MB"
    measured(f"lesson {lesson.id}", f"{outcome.cells} cells, {outcome.seconds:.1f} s, {memory}")
    cells = sum(cell.cell_type == "code" for cell in nb.cells)
    assert (outcome.cells, outcome.passed, outcome.skipped) == (cells, cells, 0), outcome.output
    assert outcome.seconds < SECONDS * slowness * BESIDE_OTHERS
    assert (outcome.megabytes or 0) < MEGABYTES


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
            "import wmlearn as wm\nwm.Predict('2 + 1?', ['3', '4'])",
            "Predict: 2 + 1?\n  ( ) 3\n  ( ) 4",
        ),
        new_markdown_cell("Count."),
        ran("2 + 1", "3"),
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
    """Run one notebook with all that must pass and all that must fail: 6, 3, 1 and 6 cells of
    code.
    """
    nb = small_lesson()
    nb.cells[10].source = nb.cells[10].source.replace("15", "16")
    calls = [new_code_cell(source) for source in [MISLEADING, *CALLS.values(), LOOPBACK]]
    cells = [*small_run_of(with_solutions(nb)), *what_may_differ(), *calls]
    return run_strict(new_notebook(cells=cells), tmp_path_factory.mktemp("machinery"))


def failed_between(outcome: Outcome, first: int, last: int) -> dict[int, str]:
    """Return why cells of these places, the last left out, have failed."""
    return {place: why for place, why in outcome.failed.items() if first <= place < last}


def test_a_lesson_and_its_right_solution_pass_and_a_wrong_one_fails(machinery):
    assert (machinery.cells, machinery.skipped) == (16, 0), machinery.output
    assert failed_between(machinery, 0, 6) == {5: RAISED}, machinery.output
    assert "Not yet: with ten answers" in machinery.output
    assert machinery.seconds > 0.1
    assert machinery.megabytes is None or 20 < machinery.megabytes < MEGABYTES


def test_what_may_differ_is_not_compared_and_a_number_is(machinery):
    assert failed_between(machinery, 6, 9) == {7: DIFFER, 8: DIFFER}, machinery.output


def test_the_words_of_a_traceback_are_not_taken_for_a_reason(machinery):
    """A cell raises what nbval says of outputs, and prints it before."""
    assert machinery.output.count(DIFFER) > 2
    assert failed_between(machinery, 9, 10) == {9: RAISED}, machinery.output


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
    assert failed_between(machinery, 10, 16) == dict.fromkeys(range(10, 15), RAISED)
    assert machinery.output.count(f"{MESSAGE}; asked for") >= len(CALLS)
    assert machinery.seconds < 60 * slowness  # refused at once: nothing waits for a time-out


def test_solutions_are_found_in_order_and_must_end_in_a_check(says):
    assert solutions(small_lesson()) == [
        "wm.check('00.1', 2 + 1)\n",
        "n = 15\nwm.check('00.2', n)\n",
    ]
    nb = small_lesson()
    nb.cells[7].source = nb.cells[7].source.replace("wm.check('00.1', 2 + 1)", "3")
    with says(AssertionError):
        with_solutions(nb)


def test_the_small_lesson_keeps_every_rule():
    nb = small_lesson()
    nb.cells[4] = ran("print(3)\n3", "3")
    assert broken_rules(nb, "00", NOTE) == []


BREAKS = {
    "no objectives": (0, "In this lesson you will", "We shall"),
    "no wm.Predict": (2, "wm.Predict(", "wm.Guess("),
    "cell 4 has more than 12 lines": (4, "2 + 1", "2 + 1\n" * 13),
    "cell 4 ends in ';'": (4, "2 + 1", "2 + 1;"),
    "cell 4 uses interact, Output": (4, "2 + 1", "interactive(f)"),
    "cell 4 steers nbval": (4, "2 + 1", "# NBVAL_SKIP\n2 + 1"),
    "cell 2 reaches past": (2, "import wmlearn as wm", "from wmlearn.evidence.stats import wealth"),
    "1 exercises, where 2 to 4": (9, "00.2", "00.1"),
    "exercise 07.2 is numbered after": (9, "00.2", "07.2"),
    "exercise 00.2 has no solution folded": (10, "<details>", "<div>"),
    "no section 'What to remember'": (11, "What to remember", "Remember"),
    "no section 'Sources'": (11, "None.\n\n![three dots](dots.png)", ""),
    "a picture without alt text": (11, "three dots", " "),
}


@pytest.mark.parametrize("sentence", BREAKS)
def test_every_rule_bites(sentence):
    nb = small_lesson()
    place, old, new = BREAKS[sentence]
    assert old in nb.cells[place].source
    nb.cells[place].source = nb.cells[place].source.replace(old, new)
    assert any(found.startswith(sentence) for found in broken_rules(nb, "00", NOTE))


@pytest.mark.parametrize("alt", ["", "dots", "a picture of several dots", None])
def test_a_drawn_picture_needs_words_with_numbers(alt):
    nb = small_lesson()
    picture = new_output("display_data", data={"image/png": "iVBO"})
    nb.cells[4].outputs.append(picture)
    picture.metadata["image/png"] = {"alt": "three dots, one in 10 of them red"}
    assert not any("picture" in found for found in broken_rules(nb, "00", NOTE))
    picture.metadata["image/png"] = {} if alt is None else {"alt": alt}
    assert any(
        found.startswith("cell 4 has a picture whose") for found in broken_rules(nb, "00", NOTE)
    )


def test_a_code_cell_without_words_and_unchecked_outputs_are_noticed():
    nb = small_lesson()
    del nb.cells[3]
    nb.cells[3].metadata.tags = ["nbval-ignore-output"]
    nb.cells[2].execution_count = None
    found = broken_rules(nb, "00", NOTE)
    assert "cell 3 has no words before it" in found
    assert "fewer than 3 text outputs that nbval compares" in found


@pytest.mark.parametrize("missing", ["## Lesson 00", "**Minutes.**", "**Typical wrong answers.**"])
def test_a_missing_note_for_the_teacher_is_noticed(missing):
    assert any(
        "docs/teaching.md" in found
        for found in broken_rules(small_lesson(), "00", NOTE.replace(missing, ""))
    )

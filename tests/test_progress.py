"""A progress bar: where it is seen, and that nothing of it is left, in a terminal or a notebook."""

import os
import threading

import nbformat
import pytest
from nbclient import NotebookClient

from wmlearn._progress import progress

QUIET = ("TQDM_DISABLE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST")
CELL = """import time
from wmlearn._progress import progress
for name in ("outer", "inner"):
    with progress(2, name, "epoch") as bar:
        for _ in range(2):
            time.sleep(0.2)
            bar.update()
print("done")"""


def show_bars(monkeypatch) -> None:
    """In the test itself: pytest sets one of them anew between the fixtures and the test."""
    for name in QUIET:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_shown_where_outputs_are_compared(monkeypatch, capfd, name):
    show_bars(monkeypatch)
    monkeypatch.setenv(name, "1")
    with progress(3, "training", "epoch") as bar:
        bar.update()
    assert capfd.readouterr() == ("", "")


def test_pytest_itself_marks_the_environment():
    """Else the test above would prove nothing: the kernels of nbval and nbmake inherit it."""
    assert any(name in os.environ for name in QUIET[1:])


def test_a_terminal_shows_it_and_wipes_it_out(monkeypatch, capfd):
    show_bars(monkeypatch)
    with progress(3, "training", "epoch") as bar:
        bar.update(3)
    drawn = capfd.readouterr().err
    assert "training:   0%" in drawn
    assert drawn.endswith("\r")
    assert drawn.split("\r")[-2].strip() == ""


def test_another_thread_shows_none(monkeypatch, capfd):
    show_bars(monkeypatch)

    def count() -> None:
        with progress(3, "training", "epoch") as bar:
            bar.update()

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
    with progress(3, "training", "epoch", hidden=True) as bar:
        bar.update()
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_it_while_it_runs_and_saves_nothing_of_it():
    seen = []

    class Watcher(NotebookClient):
        def process_message(self, msg, cell, cell_index):
            if msg["msg_type"] in ("display_data", "update_display_data"):
                seen.append(msg["content"]["data"].get("text/plain", ""))
            return super().process_message(msg, cell, cell_index)

    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    environment = {name: value for name, value in os.environ.items() if name not in QUIET}
    Watcher(nb, kernel_name="python3").execute(env=environment)
    assert sum("0/2" in text for text in seen) == 2
    assert [text.partition(":")[0] for text in seen if "2/2" in text] == ["outer", "inner"]
    left = [output.get("data", output.get("text")) for output in nb.cells[0].outputs]
    assert left == [{}, {}, "done\n"]

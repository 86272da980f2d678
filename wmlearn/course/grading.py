"""Grade what was built in a notebook, in a process of its own, as the cells that are exported to
nbgrader do (`tools/editions.py`).

    python -m wmlearn.course.grading NOTEBOOK EXERCISE NAME SEED

It runs the cells above the first graded one, tries what they call NAME on the hidden cases of the
lesson and on those of the seed, and prints a hint, or, if all is right, the line that it read from
its input: nothing that a learner has written knows it.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from wmlearn._files import RECORD_BYTES, read_json
from wmlearn.course._built import SEED
from wmlearn.course.checks import check


def built_in(notebook: str, name: str) -> Any:
    """Return what the cells above the first graded one call by a name; ... if nothing is."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    for cell in read_json(notebook, RECORD_BYTES)["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            break
        if cell["cell_type"] == "code":
            shell.run_cell("".join(cell["source"]))
    return shell.user_ns.get(name, ...)


def main(arguments: Sequence[str]) -> None:
    """Print the token from the input if what was built is right, otherwise a hint."""
    notebook, exercise, name, seed = arguments
    token = sys.stdin.readline().strip()
    os.environ["MPLBACKEND"] = "agg"
    for module in [each for each in sys.modules if each.partition(".")[0] == "wmlearn"]:
        del sys.modules[module]  # the notebook imports, and may change, a copy of its own
    built = built_in(notebook, name)
    for each in (SEED, int(seed)):
        feedback = check(exercise, built, seed=each)
        if not feedback.right:
            token = str(feedback)
            break
    sys.stdout.write(f"\n{token}")


if __name__ == "__main__":
    main(sys.argv[1:])

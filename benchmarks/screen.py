"""Time each lab from key press to screen, in a real JupyterLab and a real browser, beside the same
figure drawn by matplotlib in an `Output`.

    python benchmarks/screen.py                         # this package
    python benchmarks/screen.py old=PATH new=.          # several trees, in turn

Each line is one lab: median and 95th percentile, in milliseconds, from the key press to the last
change in the page (`ms`), then the medians of its parts: until the page has sent the move (`send`),
until the kernel starts on it (`wait`), Python (`python`), until the last message is back in the
page (`back`), until it is drawn (`draw`); and the number of messages that a move brings to the page
(`messages`), their bytes, and how many nodes of the page it adds and removes (`nodes`). It needs
Chromium, and a machine on which nothing else is running. Key presses follow each other as by hand,
each shortly after the last result was drawn: longer pauses would hide the delay of a server that
collects small messages.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "labs"))

import browser  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402

PLAIN = "--ServerApp.open_browser=False"  # changes nothing: a tree as it was before its own option
WARM, QUIET = 6, 70  # moves that do not count; milliseconds without a change, then the next key
PARTS = ("ms", "send", "wait", "python", "back", "draw", "messages", "bytes", "nodes")

# Notes every message between the page and the kernel, with its time and size.
SOCKET = """() => {
    const log = window.traffic = {out: [], in: []};
    const Plain = window.WebSocket;
    const now = () => performance.timeOrigin + performance.now();
    const size = data => data.byteLength ?? data.length;
    const kind = data => {
        const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
        const kind = /"msg_type": ?"(\\w+)"/.exec(text)?.[1];
        return kind === 'status' && text.includes('"idle"') ? 'idle' : kind; };
    window.WebSocket = class extends Plain {
        constructor(...all) { super(...all);
            this.addEventListener('message', event =>
                log.in.push({at: now(), bytes: size(event.data), kind: kind(event.data)})); }
        send(data) {
            log.out.push({at: now(), bytes: size(data), kind: kind(data)}); super.send(data); }
    };
}"""
# Notes the key, every change below the lab, and how many nodes it takes away and brings.
WATCH = """lab => {
    const now = () => performance.timeOrigin + performance.now();
    const count = nodes => { let all = 0;
        for (const node of nodes) all += 1 + (node.querySelectorAll?.('*').length ?? 0);
        return all; };
    window.seen = {pressed: 0, changes: []};
    lab.addEventListener('keydown', () => {
        window.traffic.in = []; window.traffic.out = [];
        window.seen = {pressed: now(), changes: []}; }, true);
    window.watching?.disconnect();
    window.watching = new MutationObserver(records => {
        let nodes = 0;
        for (const each of records) nodes += count(each.addedNodes) + count(each.removedNodes);
        window.seen.changes.push({at: now(), nodes});
    });
    window.watching.observe(lab, {subtree: true, childList: true, characterData: true});
}"""
SETTLED = f"""() => {{
    const last = window.seen.changes.at(-1)?.at;
    const done = window.traffic.in.some(each => each.kind === 'idle');
    return done && last && performance.timeOrigin + performance.now() - last > {QUIET}; }}"""
# In the kernel: when each message of a widget is taken up, and when it is done with.
SPANS = """import time
handlers = get_ipython().kernel.shell_handlers
spans = []
def timed(*message, plain=handlers["comm_msg"]):
    began = time.time()
    plain(*message)
    spans.append((1000 * began, 1000 * time.time()))
handlers["comm_msg"] = timed"""
DATA = """import wmlearn as wm
mnist = wm.load_data("mnist")
def suspects(*names):
    return {name: wm.BlackBox(wm.load_model(f"mnist/{name}")) for name in names}"""


class Lab(NamedTuple):
    """A cell that shows a lab, the label beside its slider, how many key presses go through it, and
    the code that is run in the kernel before each further pass, to keep every position uncached.
    """

    cell: str
    slider: str
    places: int
    renew: str = ""


LABS = {
    "VerificationLab": Lab(
        """triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
lab = wm.VerificationLab(triggers, suspects("content", "clean"))
lab""",
        "questions asked",
        29,
    ),
    "VerificationLab, nulls": Lab(
        """triggers = wm.Noise()(mnist, n=100, key=wm.CLASSROOM_KEY)
nulls = [wm.BlackBox(model) for model in wm.null_models("mnist", n=10)]
lab = wm.VerificationLab(triggers, suspects("noise", "clean"), nulls=nulls)
lab""",
        "questions asked",
        99,
    ),
    "TheftLab": Lab(
        """triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
thefts = ["prune weights", "shake weights"]
lab = wm.TheftLab(wm.load_model("mnist/content"), mnist, triggers, thefts=thefts)
lab.wait()
lab""",
        "share that goes",
        19,
    ),
    "TriggerStudio, opacity": Lab(
        "lab = wm.TriggerStudio(mnist, key=wm.CLASSROOM_KEY)\nlab",
        "opacity",
        18,
        "setattr(lab.words, 'value', str({round} + 12))",
    ),
    "TriggerStudio, sigma": Lab(
        """lab = wm.TriggerStudio(mnist, key=wm.CLASSROOM_KEY)
lab.kind.value = "Noise"
lab""",
        "sigma",
        28,
        "setattr(lab.number, 'value', {round} + 140)",
    ),
    "TriggerStudio, again": Lab(
        "lab = wm.TriggerStudio(mnist, key=wm.CLASSROOM_KEY)\nlab", "opacity", 18
    ),
    "EmbeddingLab": Lab("lab = wm.EmbeddingLab(mnist, key=wm.CLASSROOM_KEY)\nlab", "triggers", 9),
    "matplotlib": Lab(
        """%matplotlib inline
import ipywidgets, matplotlib.pyplot as plt
triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
path = wm.verify(suspects("content")["content"], triggers).path
slider = ipywidgets.IntSlider(0, 0, 30, description="questions asked")
shown = ipywidgets.Output()
def draw(change):
    with shown:
        shown.clear_output(wait=True)
        figure, axes = plt.subplots(figsize=(6.5, 2.6))
        axes.step(range(slider.value + 1), path[: slider.value + 1], where="post")
        axes.set(xlim=(0, 30), ylim=(-4, 35), title="the gambler's wealth", xlabel="questions")
        plt.show(figure)
slider.observe(draw, "value")
lab = ipywidgets.VBox([slider, shown])
lab.add_class("wm-lab")
draw(None)
lab""",
        "questions asked",
        29,
    ),
}


class Noting:
    """A browser whose pages record their traffic."""

    def __init__(self, plain: Browser) -> None:
        self._plain = plain

    def new_page(self, **options: Any) -> Page:
        """Open a page."""
        page = self._plain.new_page(**options)
        page.add_init_script(f"({SOCKET})()")
        return page


@contextlib.contextmanager
def opened(name: str, tree: Path, noting: Noting) -> Iterator[browser.Notebook]:
    """Yield a notebook with one lab of the package in a source tree, run to its end."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = str(tree.resolve())
        browser.write_notebook(Path(folder, "lab.ipynb"), SPANS, DATA, LABS[name].cell)
        options = [] if (tree / "wmlearn/course/connection.py").exists() else [PLAIN]
        try:
            with browser.jupyterlab(Path(folder), *options) as server:
                notebook = browser.Notebook(noting, server, "lab.ipynb")
                notebook.run_all(300)
                yield notebook
                notebook.close()
        finally:
            os.environ["PYTHONPATH"] = before


def ask_kernel(page: Page, expression: str) -> Any:
    """Return the value of an expression in the kernel."""
    told = page.evaluate(
        """async code => { const context = window.jupyterapp.shell.currentWidget.sessionContext;
            const reply = await context.session.kernel.requestExecute(
                {code: '', user_expressions: {told: code}}).done;
            return reply.content.user_expressions.told.data['text/plain']; }""",
        f"__import__('json').dumps({expression})",
    )
    return json.loads(told[1:-1])


def moved(page: Page, lab: Lab, moves: int, start: int) -> list[dict[str, float]]:
    """Move a lab's slider to and fro, and return what each move took; `start` numbers what is
    new.
    """
    shown = page.locator(".wm-lab").first
    shown.scroll_into_view_if_needed()
    shown.evaluate(WATCH)
    handles = page.locator(".widget-slider", has_text=lab.slider).locator(".noUi-handle")
    handles.first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")  # the studio refuses its first place
    page.wait_for_timeout(1500)
    ask_kernel(page, "spans.clear()")
    rows = []
    for move in range(WARM + moves):
        sweep, place = divmod(move, lab.places)
        if not place and lab.renew:
            ask_kernel(page, lab.renew.format(round=start + sweep))
            page.wait_for_timeout(1000)
        page.keyboard.press("ArrowLeft" if sweep % 2 else "ArrowRight")
        page.wait_for_function(SETTLED)
        found = page.evaluate("() => ({...window.seen, ...window.traffic})")
        if move >= WARM:
            rows.append(found)
    spans = ask_kernel(page, "spans")
    return [told for each in rows if (told := parts(each, spans))]


def parts(found: dict[str, Any], spans: list[list[float]]) -> dict[str, float]:
    """Return the parts of one move, without the studio's seal, which arrives later."""
    changes, pressed = found["changes"], found["pressed"]
    last = changes[-1]["at"]
    back = [each for each in found["in"] if each["at"] <= last + 1]
    used = [each for each in back if each["kind"] not in ("status", "idle", "execute_input")]
    mine = [span for span in spans if pressed <= span[0] <= last]
    if not used or not mine or not found["out"]:
        return {}
    sent = found["out"][0]["at"]
    return {
        "ms": last - pressed,
        "send": sent - pressed,
        "wait": mine[0][0] - sent,
        "python": sum(end - start for start, end in mine),
        "back": used[-1]["at"] - mine[-1][1],
        "draw": last - used[-1]["at"],
        "messages": len(used),
        "bytes": sum(each["bytes"] for each in used),
        "nodes": sum(each["nodes"] for each in changes),
    }


def told(rows: list[dict[str, float]]) -> str:
    """Return a line of figures."""
    times = [row["ms"] for row in rows]
    slow = statistics.quantiles(times, n=20)[-1]
    middle = {part: statistics.median(row[part] for row in rows) for part in PARTS}
    figures = [f"{middle.pop('ms'):7.1f}{slow:8.1f}"]
    figures += [f"{each:9.1f}" for each in middle.values()]
    return "".join(figures) + f"{len(rows):6}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", nargs="*", default=[f"here={ROOT}"], help="name=path")
    parser.add_argument("--labs", nargs="*", default=list(LABS), choices=list(LABS))
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1, help="how often each tree has its turn")
    wanted = parser.parse_args()
    trees = dict(each.split("=", 1) for each in wanted.trees)
    heading = "".join(f"{part:>9}" for part in PARTS[1:])
    sys.stdout.write(f"{'':34}{'median':>7}{'95th':>8}{heading}{'moves':>6}\n")
    share = -(-wanted.moves // wanted.rounds)
    with browser.chromium() as plain:
        for name in wanted.labs:
            rows: dict[str, list[dict[str, float]]] = {tree: [] for tree in trees}
            with contextlib.ExitStack() as stack:
                pages = {}
                for tree, path in trees.items():
                    notebook = opened(name, Path(path), Noting(plain))
                    pages[tree] = stack.enter_context(notebook).page
                for turn in range(wanted.rounds):
                    start = turn * (1 + (share + WARM) // LABS[name].places)
                    for tree, page in pages.items():
                        rows[tree] += moved(page, LABS[name], share, start)
            for tree in trees:
                sys.stdout.write(f"{name:26}{tree:8}{told(rows[tree])}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()

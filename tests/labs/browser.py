"""A real JupyterLab and a real browser for the tests; and, by hand, pictures of a notebook that has
been run.

    python tests/labs/browser.py NOTEBOOK FOLDER     # light.png, dark.png, and each lab alone

The server has folders of its own for settings, data and run-time files: whatever the user has set
up changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from wmlearn.cli import PROMPT

expect.set_options(timeout=30_000)  # a machine that tests other things may stall

# No news, no updates, no autosave; and every cell in the page, also those that are scrolled out of
# sight.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Light", "adaptive-theme": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]
NEAR = 400  # pixels at most between what is moved and what is watched together
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
FOLDERS += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")


@dataclass(frozen=True)
class Server:
    """A running JupyterLab."""

    url: str
    token: str

    def ask(self, method: str, path: str) -> bytes:
        """Ask the server's own interface, such as GET api/status."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()


def find_chromium() -> str | None:
    """Return the path of Chromium: $CHROMIUM, or what is on PATH."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for found in map(shutil.which, filter(None, names)) if found), None)


@contextlib.contextmanager
def jupyterlab(folder: Path, *options: str, patience: float = 60) -> Iterator[Server]:
    """Run JupyterLab on a folder, on a free port, with a token nobody knows; left out, its options
    are those of `wmlearn lab`.
    """
    with tempfile.TemporaryDirectory() as own, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Server(f"http://127.0.0.1:{probe.getsockname()[1]}", secrets.token_hex(16))
        probe.close()
        log = Path(own, "server.log")
        process = _start(server, folder, Path(own), log, options or (PROMPT,))
        try:
            _wait_until_up(server, process, log, patience)
            yield server
        finally:
            _stop(process)


def _start(
    server: Server, folder: Path, own: Path, log: Path, more: Sequence[str]
) -> subprocess.Popen:
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    environment |= {name: str(own / name.lower()) for name in FOLDERS}
    config = own / "jupyter_config_dir" / "labconfig"
    config.mkdir(parents=True)
    (config / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser"]
    options += ["--LabApp.extension_manager=readonly", f"--IdentityProvider.token={server.token}"]
    options += [f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1"]
    options += ["--ServerApp.port_retries=0", f"--ServerApp.port={server.url.rpartition(':')[2]}"]
    command = [sys.executable, "-m", "jupyterlab", *options, *more]
    with log.open("wb") as file:
        # a process group of its own, so that its kernels can be ended with it
        return subprocess.Popen(
            command, stdout=file, stderr=file, env=environment, start_new_session=True
        )


def _wait_until_up(server: Server, process: subprocess.Popen, log: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(OSError):
            server.ask("GET", "api/status")
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen) -> None:
    for way in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, way)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


@contextlib.contextmanager
def chromium(path: str | None = None) -> Iterator[Browser]:
    """Run Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path or find_chromium(), args=SWITCHES)
        try:
            yield browser
        finally:
            browser.close()


class Notebook:
    """A notebook open in the browser; `page` is Playwright's, `js_errors` what went wrong in the
    page itself.
    """

    def __init__(
        self, browser: Browser, server: Server, path: str, *, width: int = 1200, height: int = 1000
    ) -> None:
        for session in json.loads(
            server.ask("GET", "api/sessions")
        ):  # else an old kernel would be used again
            server.ask("DELETE", f"api/sessions/{session['id']}")
        self.page: Page = browser.new_page(viewport={"width": width, "height": height})
        self.js_errors: list[str] = []
        self.page.on("pageerror", lambda error: self.js_errors.append(str(error)))
        self._address = f"{server.url}/doc/tree/{path}?token={server.token}&reset"
        self.go()

    def go(self) -> None:
        """Load the page, for the first time or again; a kernel that runs is found again."""
        self.page.goto(self._address, timeout=60_000)
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell", timeout=60_000)
        self._wait_idle(60)

    def save(self) -> None:
        """Write the notebook, outputs and all, to its file."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def _wait_idle(self, seconds: float) -> None:
        self.page.wait_for_function(
            """() => { const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
                       return context?.isReady && context.session?.kernel?.status === 'idle'; }""",
            timeout=1000 * seconds,
        )

    def run_all(self, seconds: float = 120) -> None:
        """Run every cell; raise if one fails or does not run."""
        self.page.set_default_timeout(1000 * seconds)
        cells = self.page.evaluate(
            """async () => { const app = window.jupyterapp;
                await app.commands.execute('notebook:run-all-cells');
                const models = app.shell.currentWidget.content.widgets.map(cell => cell.model);
                const errors = model => model.outputs.toJSON()
                    .filter(out => out.output_type === 'error')
                    .map(out => `${out.ename}: ${out.evalue}`);
                return models
                    .filter(model => model.type === 'code' && model.sharedModel.getSource().trim())
                    .map(model => ({ran: model.executionCount, errors: errors(model)})); }"""
        )
        self._wait_idle(seconds)
        self.page.set_default_timeout(20_000)
        failed = [cell for cell in cells if cell["errors"] or not cell["ran"]]
        if failed:
            raise RuntimeError(f"cells that failed or did not run: {failed}")

    def callback_errors(self) -> list[str]:
        """Return the exceptions raised in callbacks of widgets: JupyterLab shows them in its log
        console only.
        """
        console = self.page.locator(".jp-LogConsolePanel").first
        if not console.is_visible():  # asked for a second time, it closes
            self.page.evaluate("() => window.jupyterapp.commands.execute('logconsole:open')")
            console.wait_for()
        self.page.wait_for_timeout(400)  # what it holds is drawn a moment after the panel
        lines = console.inner_text().splitlines()
        return [
            line for line in lines if "Error" in line and ": " in line and not line.startswith(" ")
        ]

    def went_wrong(self) -> list[str]:
        """Return what nobody saw: exceptions in callbacks, and in the page itself."""
        return [*self.callback_errors(), *self.js_errors]

    def outputs(self) -> list[list[list[str]]]:
        """Return for each cell the kinds of each of its outputs."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets.map(
                cell => cell.model.outputs.toJSON().map(out => Object.keys(out.data ?? out)))"""
        )

    def set_theme(self, name: str) -> None:
        """Switch to the "Light" or the "Dark" theme of JupyterLab, and wait until its curtain has
        gone up.

        The curtain is let down at each change, and a timer takes it away. Change the theme again
        before that, and there are two timers for one curtain: the second throws "removeChild on
        Node" (JupyterLab 4.6, its splash screen; an empty notebook does it, too, if the theme is
        changed to and fro without a pause).
        """
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {name}",
        )
        self.page.wait_for_selector(
            f"body[data-jp-theme-light={'true' if name == 'Light' else 'false'}]", state="attached"
        )
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def close(self) -> None:
        """Close the page."""
        self.page.close()


@dataclass(frozen=True)
class Desk:
    """A JupyterLab on a folder, and a browser to open its notebooks in."""

    folder: Path
    server: Server
    browser: Browser

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Notebook]:
        """Open a notebook of the folder in the light theme, and run it to its end."""
        notebook = Notebook(self.browser, self.server, name)
        notebook.set_theme("Light")
        notebook.run_all()
        yield notebook
        notebook.close()


@contextlib.contextmanager
def desk(folder: Path, path: str | None = None) -> Iterator[Desk]:
    """Start JupyterLab and Chromium; both take seconds, so many notebooks share them."""
    with jupyterlab(folder) as server, chromium(path) as opened:
        yield Desk(folder, server, opened)


def write_notebook(path: Path, *sources: str) -> None:
    """Write a notebook of some code cells."""
    kernel = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }  # else JupyterLab asks for one
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


# ---------------------------------------------------------------- what a lab shows


def button(lab: Locator, name: str) -> Locator:
    """Return the button that says just this."""
    return lab.get_by_role("button", name=name, exact=True)


def number(lab: Locator, label: str) -> Locator:
    """Return the input for words or a number beside a label."""
    return lab.locator(".widget-text", has_text=label).locator("input")


def type_into(lab: Locator, label: str, value: object) -> None:
    """Type into such an input, and press Enter."""
    number(lab, label).fill(str(value))
    number(lab, label).press("Enter")


# What the element with the keyboard is called: on the element itself, or on the label beside it.
NAME = """() => {
    const element = document.activeElement;
    const beside = element.closest('.widget-inline-hbox')?.querySelector('.widget-label');
    const own = element.title || element.innerText.trim() || element.labels?.[0]?.innerText;
    return element.matches('[role=slider], .widget-readout') ? beside.innerText : own; }"""


def reached_by_tab(first: Locator, last: str) -> list[str]:
    """Return the names of all that Tab reaches, from an element to the last that is named so.

    The value beside a slider, which can be typed over, has the name of the slider.
    """
    first.focus()
    names = []
    for _ in range(60):
        names.append(first.page.evaluate(NAME))
        if names[-1] == last:
            break
        first.page.keyboard.press("Tab")
    return names


def cells(page: Page) -> list[str]:
    """Return the kinds of the notebook's cells: a key that Jupyter takes for a command of its own
    adds one, cuts one, or makes it text.
    """
    return page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.type)"
    )


def verdict(lab: Locator) -> Locator:
    """Return the box with the verdict."""
    return lab.locator(".wm-verdict")


def picture(lab: Locator, name: str) -> None:
    """Keep a picture of the lab where $WMLEARN_PICTURES says, to be looked at."""
    if os.environ.get("WMLEARN_PICTURES"):
        lab.screenshot(path=Path(os.environ["WMLEARN_PICTURES"], f"{name}.png"))


def assert_on_one_screen(lab: Locator, moves: Mapping[str, Sequence[str]]) -> None:
    """See that at 1280x800 a lab has at most 1,085 x 620 pixels and is seen whole, and that what is
    moved and what is watched together lie close; all as CSS selectors.
    """
    lab.page.set_viewport_size({"width": 1280, "height": 800})
    lab.scroll_into_view_if_needed()
    found = lab.evaluate(
        """(lab, moves) => {
            const box = part => part.getBoundingClientRect();
            const seen = box(lab.closest('.jp-WindowedPanel-outer'));
            lab.closest('.jp-WindowedPanel-outer').scrollTop += box(lab).top - seen.top - 4;
            const {left, right, top, bottom, width, height} = box(lab);
            const apart = (one, other) => Math.hypot(
                Math.max(0, other.left - one.right, one.left - other.right),
                Math.max(0, other.top - one.bottom, one.top - other.bottom));
            const one = name => box(lab.querySelector(name));
            const distances = Object.entries(moves).map(([control, watched]) =>
                watched.map(shown => [control, shown, apart(one(control), one(shown))]));
            const whole = left >= seen.left && right <= seen.right && top >= seen.top
                && bottom <= seen.bottom;
            return {width, height, whole, distances: distances.flat()}; }""",
        moves,
    )
    assert (found["width"] <= 1085, found["height"] <= 620) == (True, True), found
    assert found["whole"], found
    assert max(far for *_, far in found["distances"]) <= NEAR, found


def sticking_out(lab: Locator, parts: str) -> list[str]:
    """Return the parts (a CSS selector) that do not lie within the lab's frame; the lab itself, if
    it scrolls sideways; and the labels that end in dots for want of room.
    """
    return lab.evaluate(
        """(lab, parts) => {
            const inside = lab.getBoundingClientRect();
            const out = [...lab.querySelectorAll(parts)].filter(part => {
                const {left, right, width} = part.getBoundingClientRect();
                return width && (left < inside.left - 1 || right > inside.right + 1); });
            if (lab.scrollWidth > lab.clientWidth + 1) out.push(lab);
            out.push(...[...lab.querySelectorAll('.widget-label')].filter(
                label => label.scrollWidth > label.clientWidth + 1));
            return out.map(part => part.outerHTML); }""",
        parts,
    )


def contrast(elements: Locator) -> float:
    """Return the least contrast of some elements with the page behind them, as WCAG 2 defines it:
    1 to 21; they are there, at least one.
    """
    colors = elements.evaluate_all(
        """elements => elements.map(element => {
            const style = getComputedStyle(element);
            const colors = {path: style.stroke, text: style.fill};
            const back = node => getComputedStyle(node).backgroundColor;
            let behind = element;
            while (behind.parentElement && /, 0\\)$/.test(back(behind)))
                behind = behind.parentElement;
            return [colors[element.tagName] ?? style.color, back(behind)]; })"""
    )
    return min(_contrast(drawn, behind) for drawn, behind in colors)


def _contrast(*colors: str) -> float:
    dark, light = sorted(map(_luminance, colors))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = [int(float(value)) / 255 for value in re.findall(r"[\d.]+", color)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# Remembers when a key went down and when the lab last changed what it shows.
STOPWATCH = """lab => {
    window.stopwatch = {pressed: 0, changed: 0};
    lab.addEventListener('keydown', () => { window.stopwatch.pressed = performance.now(); }, true);
    const observer = new MutationObserver(() => { window.stopwatch.changed = performance.now(); });
    for (const place of lab.querySelectorAll('.widget-html'))
        observer.observe(place, {subtree: true, childList: true, characterData: true});
}"""


def taken(page: Page) -> float:
    """Return the milliseconds from the last key to the last change that STOPWATCH saw."""
    return page.evaluate("() => window.stopwatch.changed - window.stopwatch.pressed")


def assert_quick(
    name: str, series: Callable[[], list[float]], measured: Callable[[str, object], None]
) -> None:
    """See that moves are quick enough for a hand, and note how long they took, in milliseconds.

    What else the machine does makes moves slower, never quicker: one series of three must be quick.
    """
    for _ in range(3):
        times = series()
        middle, slow = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        figures = f"median {middle:.0f} ms, 95th percentile {slow:.0f} ms, {len(times)} moves"
        measured(f"{name} to screen", figures)
        if middle <= 150 and slow <= 400:
            return
    pytest.fail(f"{name} to screen: {figures}")


# Counts the elements of the lab that are taken away, whatever comes in their place, and remembers
# what each place showed before.
REDRAWN = """lab => {
    const places = [...lab.querySelectorAll('.widget-html-content')].map(
        place => ({place, before: place.innerHTML, gone: 0}));
    const all = places.map(({place}) => place.querySelectorAll('*').length);
    const taken = node => node.querySelectorAll ? 1 + node.querySelectorAll('*').length : 0;
    const count = records => {
        for (const {target, removedNodes} of records)
            for (const node of removedNodes)
                places.find(({place}) => place.contains(target)).gone += taken(node); };
    const observer = new MutationObserver(count);
    for (const {place} of places) observer.observe(place, {subtree: true, childList: true});
    window.redrawn = () => {
        count(observer.takeRecords());
        observer.disconnect();
        const same = places.filter(({place, before, gone}) => gone && place.innerHTML === before);
        const sum = numbers => numbers.reduce((one, other) => one + other, 0);
        return {needless: same.map(({before}) => before),
                share: sum(places.map(({gone}) => gone)) / sum(all)}; };
}"""
# What a lab would do that drew everything again at each move.
REDRAW_ALL = """lab => { for (const place of lab.querySelectorAll('.widget-html-content'))
    place.innerHTML = place.innerHTML; }"""


def assert_redraws_only_what_changes(lab: Locator, move: Callable[[], None], most: float) -> None:
    """See that a move draws no place again that shows the same, and replaces at most this share of
    the lab's elements; and that a lab which drew everything again would be seen.
    """
    lab.evaluate(REDRAWN)
    move()
    found = lab.page.evaluate("() => window.redrawn()")
    assert found["needless"] == []
    assert 0 < found["share"] <= most
    lab.evaluate(REDRAWN)
    lab.evaluate(REDRAW_ALL)
    found = lab.page.evaluate("() => window.redrawn()")
    assert len(found["needless"]) > 1
    assert found["share"] == 1


# ---------------------------------------------------------------- by hand


def take_pictures(path: Path, into: Path) -> list[Path]:
    """Run a notebook to its end and write pictures of it, in both themes, and of each lab alone."""
    into.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        shutil.copy(path, folder)
        with jupyterlab(Path(folder)) as server:
            notebook = Notebook(browser, server, path.name)
            notebook.run_all()
            viewport = notebook.page.locator(".jp-Notebook .jp-WindowedPanel-viewport").first
            height = min(viewport.evaluate("inside => inside.scrollHeight") + 120, 12_000)
            notebook.page.set_viewport_size({"width": 1200, "height": height})
            labs = notebook.page.locator(".wm-lab").all()
            for lab in labs:  # half way, where there is something to see
                _type_a_number(notebook.page, lab.locator("input[type=number]").first)
            for theme in ("Light", "Dark"):
                notebook.set_theme(theme)
                notebook.page.evaluate(
                    "() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0)"
                )
                notebook.page.wait_for_timeout(800)
                written.append(into / f"{theme.lower()}.png")
                notebook.page.screenshot(path=written[-1])
                for i, lab in enumerate(labs):
                    written.append(into / f"lab{i}-{theme.lower()}.png")
                    lab.screenshot(path=written[-1])
    return written


def _type_a_number(page: Page, suspect: Locator) -> None:
    """Put half the largest number into a number box, where there is one."""
    if not suspect.count():
        return
    suspect.fill(str(int(suspect.get_attribute("max") or 20) // 2))
    suspect.press("Enter")
    page.wait_for_timeout(500)


if __name__ == "__main__":
    for picture in take_pictures(Path(sys.argv[1]), Path(sys.argv[2])):
        sys.stdout.write(f"{picture}\n")

"""Where tasks.py takes PyTorch from: indexes that are fast, slow, absent, broken; a real pip."""

from __future__ import annotations

import http.server
import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

PAGE = '<a href="{0}-9.0%2Bcpu-py3-none-linux_{1}.whl">{0}</a>'


class Index(http.server.BaseHTTPRequestHandler):
    """A simple index of packages at /fast/, and others at which something is wrong."""

    folder: Path  # of real wheels, at /near/ and /far/

    def do_GET(self):
        way, package = self.path.strip("/").split("/")[:2]
        answer = getattr(self, f"_{way}", None)
        if answer is None or (way == "lacking" and package == "torchvision"):
            self.send_error(404)
        else:
            answer(package)

    def _fast(self, package):
        self._send(PAGE.format(package, platform.machine()).encode())

    _lacking = _fast

    def _empty(self, package):
        self._send(b"<html></html>")

    def _another_machine(self, package):
        self._send(PAGE.format(package, "s390x").encode())

    def _portal(self, package):
        self._moved("/login/page")

    def _login(self, package):
        self._send(b"Welcome to our network: torch- and torchvision- are not here.")

    def _circle(self, package):
        self._moved(self.path)

    def _broken(self, package):
        self.send_error(500)

    def _cut(self, package):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"<html>")

    def _slow(self, package):
        self.server.ended.wait(60)

    def _dripping(self, package):
        self.send_response(200)
        self.end_headers()
        while not self.server.ended.wait(0.05):
            self.wfile.write(b" ")

    def _near(self, package):
        way, wanted = self.path.strip("/").split("/")
        if wanted.endswith(".whl"):
            return self._send((self.folder / way / wanted.replace("%2B", "+")).read_bytes())
        names = [path.name for path in (self.folder / way).glob(f"{wanted}-*.whl")]
        links = [f'<a href="/{way}/{name.replace("+", "%2B")}">{name}</a>' for name in names]
        self._send("".join(links).encode())

    _far = _near

    def _moved(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def _send(self, content):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def index():
    """Yield the address of a server with such indexes."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    server.ended, server.daemon_threads = threading.Event(), True
    server.handle_error = lambda *request: None  # a client that gave up
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.ended.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def linux(tasks, machine, monkeypatch):
    """A machine with Linux and without a GPU, which decides for itself."""
    monkeypatch.delenv("WMLEARN_TORCH")
    monkeypatch.setattr(tasks.sys, "platform", "linux")
    return machine


def sources(machine):
    """Return, for each pip, the index it was told and what it was to install."""
    pips = [line[line.index("install") + 2 :] for line in machine.commands if "pip" in line]
    return [(line[1], line[2:]) if "--index-url" in line else ("", line) for line in pips]


TORCH = ["torch>=2.1", "torchvision>=0.16"]
REST = ("", ["-e", ".[lab]"])


def test_without_a_gpu_torch_and_torchvision_come_together_and_first(
    tasks, linux, index, monkeypatch, capsys
):
    monkeypatch.setattr(tasks, "CPU_BUILDS", f"{index}/fast")
    tasks.set_up("lab")
    assert sources(linux) == [(f"{index}/fast", TORCH), REST]
    said = capsys.readouterr().out
    assert "0.4 GB to download, 1.6 GB on disk" in said
    tasks.set_up("lab")
    assert capsys.readouterr().out == ""  # nothing is asked, nothing is said


@pytest.mark.parametrize(
    "way",
    [
        "slow",
        "dripping",
        "absent",
        "broken",
        "cut",
        "empty",
        "portal",
        "circle",
        "lacking",
        "another_machine",
    ],
)
def test_an_index_that_will_not_do_costs_a_line_and_seconds(
    tasks, linux, index, monkeypatch, capsys, way
):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(tasks, "CPU_BUILDS", nobody if way == "absent" else f"{index}/{way}")
    monkeypatch.setattr(tasks, "PATIENCE", 0.5)
    start = time.monotonic()
    tasks.set_up("lab")
    assert time.monotonic() - start < 3
    assert sources(linux) == [REST]
    one, size = capsys.readouterr().out.splitlines()
    assert one.startswith("127.0.0.1 does not answer at once")
    assert "3.2 GB to download, 6.4 GB on disk" in size


def test_a_mirror_is_taken_and_its_password_is_not_printed(
    tasks, linux, index, monkeypatch, capsys
):
    monkeypatch.setenv("WMLEARN_TORCH_INDEX", f"{index}/fast/")
    tasks.set_up("lab")
    assert sources(linux)[0] == (f"{index}/fast/", TORCH)
    secret = tasks.announced("lab", "https://class:open-sesame@mirror.test/simple")
    assert "mirror.test" in secret
    assert "open-sesame" not in secret


def test_what_the_index_lists_but_cannot_be_installed_comes_from_pypi(
    tasks, linux, index, monkeypatch, capsys
):
    monkeypatch.setattr(tasks, "CPU_BUILDS", f"{index}/fast")
    run = linux.run

    def fails_there(command, **options):
        return SimpleNamespace(**vars(run(command, **options)) | {"returncode": code(command)})

    def code(command):
        return int("--index-url" in command)

    monkeypatch.setattr(linux, "run", fails_there)
    tasks.set_up("lab")
    assert sources(linux) == [(f"{index}/fast", TORCH), REST]
    assert "It failed there." in capsys.readouterr().out


@pytest.mark.parametrize("way", ["device", "nvidia-smi"])
def test_a_gpu_gets_the_builds_with_cuda(tasks, linux, index, monkeypatch, tmp_path, way):
    monkeypatch.setattr(tasks, "CPU_BUILDS", f"{index}/fast")
    if way == "device":
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev" / "nvidia0").touch()
    else:
        monkeypatch.setattr(tasks.shutil, "which", lambda name: f"/usr/bin/{name}")
    tasks.set_up("lab")
    assert sources(linux) == [REST]


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_elsewhere_all_comes_from_pypi_which_has_no_cuda_there(
    tasks, linux, index, monkeypatch, system
):
    monkeypatch.setattr(tasks.sys, "platform", system)
    monkeypatch.setattr(tasks, "CPU_BUILDS", f"{index}/fast")
    tasks.set_up("lab")
    assert sources(linux) == [REST]


def test_either_can_be_demanded(says, tasks, linux, index, monkeypatch, tmp_path):
    monkeypatch.setattr(tasks, "CPU_BUILDS", f"{index}/fast")
    monkeypatch.setattr(tasks.shutil, "which", lambda name: name)  # a GPU
    for wish, expected in [("pypi", [REST]), ("cpu", [(f"{index}/fast", TORCH), REST])]:
        monkeypatch.setenv("WMLEARN_TORCH", wish)
        tasks.set_up("lab")
        assert sources(linux) == expected
        linux.commanded()
        shutil.rmtree(tmp_path / ".venv")
    monkeypatch.setattr(tasks, "CPU_BUILDS", f"{index}/broken")
    with says(SystemExit):
        tasks.set_up("lab")
    monkeypatch.setenv("WMLEARN_TORCH", "cuda")
    with says(SystemExit):
        tasks.set_up("lab")
    assert not linux.commands


BACKEND = """
import zipfile

METADATA = '''Metadata-Version: 2.1
Name: tiny
Version: 1.0
Provides-Extra: dev
Requires-Dist: torch>=2.1; extra == "dev"
Requires-Dist: torchvision>=0.16; extra == "dev"
'''

def build_editable(folder, settings=None, metadata=None):
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as file:
        file.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        file.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        file.writestr("tiny-1.0.dist-info/RECORD", "")
    return name
"""
TINY = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1.0"
[project.optional-dependencies]
dev = ["torch>=2.1", "torchvision>=0.16"]
"""


def write_wheel(folder, name, version, needs=""):
    """Write a wheel of nothing, for this machine, into a folder of an index."""
    folder.mkdir(exist_ok=True)
    tag = f"py3-none-linux_{platform.machine()}"
    needed = f"Requires-Dist: {needs}\n" if needs else ""
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as file:
        info = f"{name}-{version}.dist-info"
        file.writestr(f"{info}/METADATA", head)
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is taken from an index")
def test_a_real_pip_keeps_both_builds_of_the_index(root, index, tmp_path, monkeypatch):
    """The second pip sees newer ones in its own index, and leaves what the first installed."""
    monkeypatch.setattr(Index, "folder", tmp_path, raising=False)
    write_wheel(tmp_path / "near", "torch", "9.0+cpu")
    write_wheel(tmp_path / "near", "torchvision", "9.1+cpu", "torch==9.0")
    write_wheel(tmp_path / "far", "torch", "9.5")
    write_wheel(tmp_path / "far", "torchvision", "9.6", "torch==9.5")
    (tmp_path / "backend.py").write_text(BACKEND)
    (tmp_path / "pyproject.toml").write_text(TINY)
    shutil.copy(root / "tasks.py", tmp_path)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    alone |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"{index}/far"}
    alone |= {"WMLEARN_TORCH": "cpu", "WMLEARN_TORCH_INDEX": f"{index}/near"}
    command = [sys.executable, tmp_path / "tasks.py", "set-up"]
    done = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    here = importlib.metadata.distributions(path=list((tmp_path / ".venv").glob("lib/*/site-p*")))
    versions = {each.name: each.version for each in here}
    assert (versions["torch"], versions["torchvision"]) == ("9.0+cpu", "9.1+cpu")
    assert versions["tiny"] == "1.0"

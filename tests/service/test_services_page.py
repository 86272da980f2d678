"""The page "Ask any service": each of its blocks is run, against a service as it describes one."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
import sys
import types
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from faulty_service import FaultyService, Handler, Reply
from PIL import Image

import wmlearn as wm
from wmlearn import cli
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import seal_triggers
from wmlearn.service import blackbox

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "services.md"
PIXELS = np.random.RandomState(0).randint(0, 256, (30, 1, 28, 28)).astype(np.uint8)
TRIGGERS = seal_triggers(
    PIXELS,
    np.arange(30),
    [f"question {number}" for number in range(30)],
    rules=Rules(tuple("0123456789"), alpha=1e-3),
    key=wm.CLASSROOM_KEY,
    recipe="thirty questions",
).draw()
SECRET = dict(zip((image.tobytes() for image in PIXELS), map(int, TRIGGERS.labels), strict=True))
STATED = {"inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]}
LABELS = {"name": "labels", "datatype": "INT64", "shape": [-1]}


def label_of(pixels: Any) -> int:
    """Return the secret label of 0 to 255 of one image; 0 for any other."""
    return SECRET.get(np.rint(pixels).astype(np.uint8).tobytes(), 0)


def label_of_png(file: bytes) -> int:
    return label_of(np.asarray(Image.open(io.BytesIO(file))))


class Api(Handler):
    """A service of no protocol: what comes in the body is its own affair."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.first_time(body):  # each is lost once, as happens
            self.send_json({"error": "busy"}, 503)
        else:
            self.send_json(ANSWERS[self.path](body, self.headers))


def uploaded(body: bytes, headers: Any) -> dict[str, Any]:
    """Answer the file of a form, as FastAPI's UploadFile reads one."""
    head = f"content-type: {headers['content-type']}\r\n\r\n".encode()
    form = BytesParser(policy=HTTP).parsebytes(head + body)
    (part,) = form.iter_parts()
    assert part.get_param("name", header="content-disposition") == "file"
    assert part.get_content_type() == "image/png"
    return {"label": f"digit {label_of_png(part.get_content())}", "score": 0.9}


def encoded(body: bytes, headers: Any) -> dict[str, Any]:
    return {"label": str(label_of_png(base64.b64decode(json.loads(body)["image"])))}


def listed(body: bytes, headers: Any) -> dict[str, Any]:
    return {"output": label_of(np.array(json.loads(body)["input"]) * 255)}


ANSWERS = {"/predict": uploaded, "/classify": encoded, "/litserve": listed}


class ApiServer(FaultyService):
    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = Api
        self.seen: set[bytes] = set()

    def first_time(self, body: bytes) -> bool:
        key = re.sub(rb"-?-?[0-9a-f]{32}", b"", body)  # the boundary of a form is another each time
        known = key in self.seen
        self.seen.add(key)
        return not known


def answers(back: Any, form: Any) -> Reply:
    """Answer labels in a form, of images made by `back` from what arrives."""

    def reply(handler: Handler) -> None:
        labels = np.array([label_of(back(image)) for image in handler.images])
        handler.send_json({"outputs": [form(labels)]})

    return reply


def whole(labels: np.ndarray) -> dict[str, Any]:
    return {**LABELS, "shape": list(labels.shape), "data": labels.ravel().tolist()}


def texts(labels: np.ndarray) -> dict[str, Any]:
    names = [f"digit-{each}" for each in labels]
    return {**LABELS, "datatype": "BYTES", "shape": [len(names)], "data": names}


def guarded(handler: Handler) -> None:
    named = handler.headers["host"] == "mnist.default.example.com"
    if not named or handler.headers["x-api-key"] != "open-sesame":
        handler.send_json({"error": "not found"}, 404)
    elif len(handler.images) > 16:
        handler.send_json({"error": "too large"}, 413)
    else:
        answers(lambda x: x * 255, whole)(handler)


SERVERS = {
    "plain": ({"inputs": [], "outputs": []}, answers(lambda x: x, whole)),
    "normalised": (
        {**STATED, "outputs": [LABELS]},
        answers(lambda x: (x * 0.31 + 0.13) * 255, whole),
    ),
    "text": (
        {**STATED, "outputs": [{**LABELS, "datatype": "BYTES"}]},
        answers(lambda x: x * 255, texts),
    ),
    "top": (
        {**STATED, "outputs": [{**LABELS, "shape": [-1, 5]}]},
        answers(lambda x: x * 255, lambda y: whole((y[:, None] + np.arange(5)) % 10)),
    ),
    "from1": (
        {**STATED, "outputs": [LABELS]},
        answers(lambda x: x * 255, lambda y: whole(y + 1)),
    ),
    "guarded": ({**STATED, "outputs": [LABELS]}, guarded),
}


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Where each service of the page really is."""
    found = {}
    services = []
    for name, (card, reply) in SERVERS.items():
        services.append(FaultyService(cards=(card,), then=reply).__enter__())
        found[f"http://localhost:8080/v2/models/{name}"] = services[-1].url
    services.append(ApiServer().__enter__())
    api = services[-1].url.removesuffix("/v2/models/toy")
    found["http://localhost:8001/predict"] = f"{api}/predict"
    found["http://localhost:8002/classify"] = f"{api}/classify"
    found["http://localhost:8003/predict"] = f"{api}/litserve"
    yield found
    for service in services:
        service.__exit__()


class Session:
    """Stands in for ONNX Runtime's, which is not among the dependencies."""

    def __init__(self, path: str) -> None:
        assert path == "model.onnx"

    def get_inputs(self) -> list[Any]:
        shape = ["n", 1, 28, 28]
        return [types.SimpleNamespace(name="images", type="tensor(float)", shape=shape)]

    def get_outputs(self) -> list[Any]:
        return [types.SimpleNamespace(name="y", type="tensor(float)", shape=["n", 10])]

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert outputs == ["y"]
        labels = [label_of(image * 255) for image in inputs["images"]]
        return [np.eye(10, dtype=np.float32)[labels]]


class Classifier:
    """Stands in for scikit-learn's, which answers what it was taught: here text."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        assert rows.shape == (30, 784)
        return np.array([f"digit {label_of(row * 255)}" for row in rows])


class App:
    """Stands in for Gradio's client."""

    def __init__(self, address: str, *, verbose: bool) -> None:
        assert (address, verbose) == ("http://localhost:7860", False)

    def predict(self, file: dict[str, Any], *, api_name: str) -> dict[str, Any]:
        assert (api_name, file["meta"]) == ("/predict", {"_type": "gradio.FileData"})
        return {"label": str(label_of_png(Path(file["path"]).read_bytes())), "confidences": []}


def handle_file(file: Path) -> dict[str, Any]:
    return {"path": str(file), "meta": {"_type": "gradio.FileData"}}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_every_block_finds_the_marked_model(addresses, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", types.SimpleNamespace(InferenceSession=Session))
    gradio = types.SimpleNamespace(Client=App, handle_file=handle_file)
    monkeypatch.setitem(sys.modules, "gradio_client", gradio)
    joblib.dump(Classifier(), "classifier.joblib")
    monkeypatch.setattr(blackbox, "sleep", lambda seconds: None)
    names = {"wm": wm, "triggers": TRIGGERS}
    found = 0
    for block in blocks("python"):
        code = block
        for written, real in addresses.items():
            code = code.replace(written, real)
        names.pop("verdict", None)
        exec(compile(code, PAGE.name, "exec"), names)
        if "verify(" in block:
            verdict = names["verdict"]
            assert (verdict.decision, verdict.k, verdict.n) == ("found", 30, 30), block
            found += 1
    assert found == 15
    names["client"].close()


def test_the_commands_say_the_same(addresses, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("WMLEARN_TOKEN", raising=False)
    monkeypatch.setattr(blackbox, "sleep", lambda seconds: None)
    (mine,) = [block for block in blocks("python") if "classes=names, budget=300" in block]
    (png,) = [block for block in blocks("python") if "def png" in block]
    code = png.partition("def ask_one")[0] + mine.partition("names =")[0]
    for written, real in addresses.items():
        code = code.replace(written, real)
    Path("mine.py").write_text(code)
    for number, block in enumerate(blocks("console")):
        command = block
        for written, real in addresses.items():
            command = command.replace(written, real)
        program, *arguments = shlex.split(command)
        folder = wm.evidence.save_evidence(TRIGGERS, f"evidence_{number}")
        assert (program, arguments.count("evidence")) == ("wmlearn", 1)
        arguments[arguments.index("evidence")] = str(folder)
        with pytest.raises(SystemExit) as end:
            cli.main([*arguments, "--json"])
        assert end.value.code in (0, None)
        assert json.loads(capsys.readouterr().out)["k"] == 30
    assert number == 1
    sys.modules["mine"].client.close()


def test_the_options_that_the_page_names_are_there():
    options = {option for each in cli.commands.commands["verify"].params for option in each.opts}
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"(?<=[`\s])--[a-z-]+", text)) <= options

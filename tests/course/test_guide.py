"""Every call in the teacher's guide runs, in the order of the page, on a small task."""

import ast
import dataclasses
import re

import numpy as np
import pytest
from _tool import ROOT
from PIL import Image
from torchvision.transforms import v2

import wmlearn as wm

# What a reader writes, not calls: the methods of a trigger or a theft of one's own.
SIGNATURES = {"make(self, split, n, rng)", "deploy(owner, context)", "fresh()"}
ELLIPSES = {  # what "and so on" stands for
    "wm.embed(…, margin=wm.watermarks.Margin())": (
        "wm.embed(model, mnist, triggers, margin=wm.watermarks.Margin())"
    ),
    'case.card({...}).save("card.json")': (
        "case.card(dict.fromkeys(case.services, 'abstain')).save('submitted/anna/card.json')"
    ),
    'board.card.save("card.json", name="...")': "case.card(abstain).save('card.json', name='Anna')",
    "seeds=range(5)": "seeds=range(1)",  # five would take as long as a lesson
}


def calls_in(text: str) -> list[str]:
    """Return the code on a page, in order, that calls something."""
    found = []
    for code in re.findall(r"`([^`\n]+)`", text):
        for short, full in ELLIPSES.items():
            code = code.replace(short, full)
        if code not in SIGNATURES and calls_something(code):
            found.append(code)
    return found


def calls_something(code: str) -> bool:
    try:
        tree = ast.parse(code.removeprefix("."))
    except SyntaxError:  # of the command line, or part of a class
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(tree))


TELLS = wm.ServiceOptions(scores=True)
GUIDE = (ROOT / "docs" / "teaching.md").read_text("utf-8")
WRITTEN, _, OF_LESSONS = GUIDE.partition("<!-- lessons -->")
# Hints speak of what the learner has made; only calls of the package stand on their own feet.
CALLS = calls_in(WRITTEN) + [code for code in calls_in(OF_LESSONS) if code.startswith("wm.")]


def test_nothing_that_looks_like_a_call_of_the_package_is_left_out():
    """Each name is there, and what cannot be read as Python is no call."""
    run = "\n".join(CALLS)
    for code in re.findall(r"`([^`\n]*wm\.[^`\n]*)`", GUIDE):
        for name in re.findall(r"\bwm((?:\.\w+)+)", code):
            value = wm
            for part in name.split(".")[1:]:
                value = getattr(value, part)
        if re.search(r"wm\.[\w.]+\(", code) and not code.startswith("class "):
            name = re.findall(r"wm\.[\w.]+\(", code)[0]
            assert name in run, code
    assert len(CALLS) > 60


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Return what the guide's calls may speak of: a small task, an owner, suspects, a case."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (120, 40, 40, 3), dtype=np.uint8)
    for place, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / "pictures" / f"{place}.png")
    whole = wm.load_data("mnist")
    mnist = dataclasses.replace(
        whole, train=whole.train.take(range(600)), test=whole.test.take(range(300))
    )
    triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
    model = wm.load_model("mnist/content")
    suspect, another, third = map(wm.BlackBox, [model, *wm.null_models("mnist", n=2)])
    practice = wm.course.tribunal.PRACTICE
    (folder / "case.safetensors").write_bytes(practice.read_bytes())
    (folder / "teacher.json").write_bytes(wm.course.tribunal.PRACTICE_KEY.read_bytes())
    (folder / "submitted" / "anna").mkdir(parents=True)
    return folder, {
        "wm": wm,
        "v2": v2,
        "Path": type(folder),
        "answer": 3,
        "mnist": mnist,
        "cifar10": wm.load_data("cifar10"),
        "triggers": triggers,
        "thief_triggers": wm.Noise()(mnist, n=100),
        "seal": triggers.seal,
        "model": model,
        "suspect": suspect,
        "another": another,
        "third": third,
        "images": whole.test.images[:5],
    }


def test_every_call_in_the_guide_runs(names, full_data, monkeypatch):
    folder, known = names
    monkeypatch.chdir(folder)
    with (
        wm.serve(known["model"], name="tells", options=TELLS) as service,
        wm.serve(known["model"], name="asked") as plain,
    ):
        known |= {"service": plain, "url": plain.url}
        scoring = wm.RemoteModel(service.url)
        owner = wm.embed(known["model"], known["mnist"], known["triggers"])
        known |= {"owner": owner, "query": known["suspect"], "seconds": 0, "queries": 0}
        known["verdict"] = wm.verify(known["suspect"], known["triggers"])
        known["case"] = wm.course.open_case()
        known["abstain"] = dict.fromkeys("ABCDEF", "abstain")
        last, failed = None, []
        for code in CALLS:
            own = {"suspect": scoring} if ".scores(" in code else {}
            own |= {"images": 0} if "Cost(" in code else {}
            try:
                last = run(code, known, own, last)
            except Exception as error:
                failed.append(f"{code}: {type(error).__name__}: {error}")
            if isinstance(last, type(plain)):
                last.stop()
            if isinstance(last, wm.TheftLab):  # it measures what it shows in the background
                assert last.wait(120)
        assert not failed


def run(code: str, known: dict, own: dict, last: object) -> object:
    """Run what the guide says; a method without its object is one of what came before."""
    if code.startswith("."):
        return eval(f"last{code}", known | own | {"last": last})
    if isinstance(ast.parse(code).body[0], ast.Expr):
        return eval(code, known | own)
    exec(code, known)
    return None

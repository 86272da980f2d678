"""The specification is enough: its judge in standard Python agrees with ours, on vectors and sets.

The code is taken out of docs/spec.md, so what is printed there is what runs.
"""

import copy
import dataclasses
import hashlib
import json
import math
import re
import struct
from fractions import Fraction
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn, no_grad, tensor

import wmlearn as wm
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.beacon import Beacon
from wmlearn.evidence.calibration import clean_digest
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.tilt import Ruler, seal_tilt
from wmlearn.evidence.trigger_set import seal_triggers

ROOT = Path(__file__).resolve().parents[2]
VECTORS = Path(__file__).with_name("vectors")
TEXT = (ROOT / "docs" / "spec.md").read_text(encoding="utf-8")
CODE = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]


@pytest.fixture(scope="module")
def spec():
    names = {}
    exec(compile(CODE, "docs/spec.md", "exec"), names)
    return SimpleNamespace(**names)


def vector(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def images_of(texts, shape=(1, 4, 4)):
    whole = b"".join(map(bytes.fromhex, texts))
    return np.frombuffer(whole, np.uint8).reshape(-1, *shape)


def joined(questions, part):
    """Return what all questions have of something, one list after another."""
    return [each for question in questions for each in question[part]]


def judged(spec, case, **settings):
    """Return the verdict of the document's judge on a test as the vectors hold one."""
    terms = [case[name] for name in ("header", "seal", "outcome", "named", "opened", "shape")]
    return spec.judge(*terms, **settings)


def opening_of(case):
    """Return what was opened as our own judge takes it, and a service that gives the answers."""
    opened = case["opened"]
    pixels = images_of(joined(opened, "images"), case["shape"])
    places = np.repeat(np.arange(len(opened)), [len(each["images"]) for each in opened])
    opening = wm.evidence.Opening(
        header=case["header"],
        indices=tuple(each["index"] for each in opened),
        names=tuple(each["name"] for each in opened),
        secrets=[bytes.fromhex(each["secret"]) for each in opened],
        paths=[list(map(bytes.fromhex, each["path"])) for each in opened],
        pixels=pixels,
        question=places,
        public_key=False,
        outcome=case["outcome"],
    )
    said = dict(zip(commitment.image_digests(pixels), joined(opened, "answers")))

    def service(images):
        asked = np.rint(images * 255).astype(np.uint8)
        return np.array([said[digest] for digest in commitment.image_digests(asked)])

    return opening, service


def agree(theirs, ours):
    assert theirs["k"] == ours.k
    assert theirs["decision"] == ours.decision
    assert theirs["p"] == pytest.approx(ours.p, rel=1e-12)
    assert theirs["p_judge"] == pytest.approx(ours.p_judge, rel=1e-12)


# ---------------------------------------------------------------- the owner's side, from the key


def test_a_key_leads_to_the_seal_and_the_labels_as_written(spec):
    case = vector("keyed")
    key = bytes.fromhex(case["key"])
    digests = [spec.sha(b"uint8 1x4x4\n" + bytes.fromhex(one)).hex() for one in case["images"]]
    assert digests == case["digests"]
    of_the_set = spec.hmac.digest(key, b"set" + spec.canonical({"images": digests}), "sha256")
    for index, secret in enumerate(case["secrets"]):
        text = b"leaf" + index.to_bytes(4, "big")
        assert spec.hmac.digest(of_the_set, text, "sha256").hex() == secret
    leaves = list(map(bytes.fromhex, case["leaves"]))
    seed = bytes.fromhex(case["label_seed"])
    assert spec.sha(spec.canonical(case["header"])).hex() == case["seal"]
    for index, name in enumerate(case["names"]):
        own = [text for text, q in zip(case["images"], case["question"]) if q == index]
        path = [node.hex() for node in commitment.audit_paths(leaves)[index]]
        asked = {"index": index, "name": name, "secret": case["secrets"][index]}
        asked |= {"images": own, "path": path}
        drawn = spec.label(case["header"], seed, asked, case["shape"])
        assert drawn == case["labels"][index]


def test_our_own_sealing_gives_the_vectors():
    case = vector("keyed")
    rules = Rules.from_header(case["header"])
    sealed = seal_triggers(
        images_of(case["images"]),
        np.array(case["question"]),
        case["names"],
        rules=rules,
        key=bytes.fromhex(case["key"]),
        recipe="a test vector",
    )
    assert sealed.seal == case["seal"]
    assert [leaf.hex() for leaf in sealed.leaves] == case["leaves"]
    assert sealed.draw().answers.tolist() == case["labels"]
    wealth = stats.wealth_path(case["matched"], sealed.draw().p0)
    assert wealth == pytest.approx(case["log_wealth"], rel=1e-9, abs=1e-12)
    case = vector("message")
    model = nn.Sequential(nn.Conv2d(2, 4, 3))
    key = bytes.fromhex(case["key"])
    message = wm.watermarks.seal_message(model, bits=16, key=key)
    assert message.seal == case["seal"]
    assert message.bits.tolist() == case["bits"]
    with no_grad():
        model[0].weight[:] = tensor(case["mean_kernel"]).reshape(2, 3, 3)
    assert message.read(model).tolist() == case["read"]


def test_the_wealth_follows_the_printed_formula():
    case = vector("keyed")
    chances, k = [0.0], 0
    for n, matched in enumerate(case["matched"], start=1):
        k += matched
        at_most = sum(math.comb(n + 1, i) * 9 ** (n + 1 - i) for i in range(k + 1)) / 10 ** (n + 1)
        exactly = math.comb(n, k) * 9 ** (n - k) / 10**n
        chances.append(math.log(at_most / (0.9 * (n + 1) * exactly)))
    assert case["log_wealth"] == pytest.approx(chances, rel=1e-9, abs=1e-12)
    assert case["anytime_p"] == pytest.approx(math.exp(-max(chances)), rel=1e-9)
    assert stats.anytime_p(np.array(chances)) == pytest.approx(case["anytime_p"], rel=1e-9)


# ---------------------------------------------------------------- the judge's side


@pytest.mark.parametrize("name", ["opened", "beacon"])
def test_both_judges_say_the_same_of_the_vectors(spec, name):
    case = vector(name)
    settings, ours = {}, {}
    if name == "beacon":
        settings = {"seals": case["seals"]}
        ours = {"beacon": Beacon(case["outcome"], case["seals"], 2**64)}
        images = SimpleNamespace(
            pixels=images_of(case["clean_images"]), labels=case["clean_labels"]
        )
        assert clean_digest(images) == case["header"]["clean"]
        own = [
            spec.sha(b"uint8 1x4x4\n" + bytes.fromhex(one)).hex() for one in case["clean_images"]
        ]
        record = {"images": own, "labels": case["clean_labels"]}
        assert spec.sha(spec.canonical(record)).hex() == case["header"]["clean"]
    theirs = judged(spec, case, **settings)
    assert theirs["decision"] == "found"
    assert list(theirs["labels"].values()) == case["labels"]
    nonce = bytes.fromhex(case["nonce"])
    assert spec.challenge(case["seal"], nonce, 30, len(case["named"])) == case["named"]
    opening, service = opening_of(case)
    assert opening.answers().tolist() == case["labels"]
    if name == "opened":
        agree(
            theirs,
            wm.evidence.judge(service, opening, seal=case["seal"], named=case["named"], **ours),
        )
        return
    numbering = dict(zip(commitment.image_digests(images.pixels), images.labels))

    def whole(asked):
        """Give every clean image its class, as a service that does the task."""
        pixels = np.rint(asked * 255).astype(np.uint8)
        known = [numbering.get(digest) for digest in commitment.image_digests(pixels)]
        return service(asked) if None in known else np.array(known)

    opening = dataclasses.replace(opening, clean=images)
    agree(theirs, wm.evidence.judge(whole, opening, seal=case["seal"], named=case["named"], **ours))


@pytest.mark.parametrize("seed", range(6))
def test_both_judges_say_the_same_of_a_fresh_set(spec, seed):
    """Whatever the service says, some of it no answer at all, or no class."""
    triggers = wm.Content(words=30)(wm.load_data("mnist"), n=70)
    rng = np.random.RandomState(seed)
    nonce = bytes([seed])
    count = [22, 30, 8][seed % 3]  # eight cannot tell
    named = wm.evidence.challenge(triggers.seal, nonce, questions=30, count=count)
    assert spec.challenge(triggers.seal, nonce, 30, count) == named
    opened = wm.evidence.open_questions(triggers, named[seed // 3 :])  # one may be withheld
    labels = triggers.labels.copy()
    odd = rng.rand(len(labels)) < 0.12 * seed
    labels[odd] = rng.randint(-1, 11, odd.sum())
    questions = []
    for place, index in enumerate(opened.indices):
        own = opened.pixels[opened.question == place]
        answers = labels[triggers.question == index].tolist()
        questions.append(
            {
                "index": index,
                "name": opened.names[place],
                "secret": opened.secrets[place].hex(),
                "images": [image.tobytes().hex() for image in own],
                "path": [node.hex() for node in opened.paths[place]],
                "answers": answers,
            }
        )
    case = {"header": dict(opened.header), "seal": triggers.seal, "outcome": "", "named": named}
    case |= {"opened": questions, "shape": list(opened.pixels.shape[1:])}
    opening, service = opening_of(case)
    theirs = judged(spec, case)
    agree(theirs, wm.evidence.judge(service, opened, seal=triggers.seal, named=named))
    assert list(theirs["labels"].values()) == opening.answers().tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 30, 257, 4096])
def test_both_name_the_same_questions(spec, count):
    for nonce in (b"a", b"three dice: 4 1 6", bytes(40)):
        ours = wm.evidence.challenge("ab" * 32, nonce, questions=count, count=count // 2 + 1)
        assert spec.challenge("ab" * 32, nonce, count, count // 2 + 1) == ours


@pytest.mark.parametrize("part", ["images", "secret", "name", "path", "index", "header", "beacon"])
def test_what_was_changed_is_refused_by_both(spec, part):
    case = copy.deepcopy(vector("opened"))
    first = case["opened"][0]
    changed = {
        "images": ["00" * 16, *first["images"][1:]],
        "secret": "00" * 32,
        "name": "another",
        "path": first["path"][:-1],
        "index": first["index"] + 1,
    }
    if part == "header":
        case["header"]["alpha"] = "0.01"
    elif part == "beacon":
        case["outcome"] = "1 1 1"
    else:
        first[part] = changed[part]
    with pytest.raises(AssertionError):
        judged(spec, case)
    opening, service = opening_of(case)
    if part == "beacon":
        return  # ours draws other labels, which match by chance alone
    with pytest.raises(ValueError, match="open"):
        wm.evidence.judge(service, opening, seal=case["seal"], named=case["named"])


def test_few_seals_need_a_beacon(spec):
    with pytest.raises(AssertionError):
        judged(spec, vector("opened"), seals=10)
    opening, service = opening_of(vector("opened"))
    case = vector("opened")
    with pytest.raises(ValueError, match="seal"):
        wm.evidence.judge(
            service, opening, seal=case["seal"], named=case["named"], beacon=Beacon("6", 10, 2**64)
        )


def test_the_file_holds_what_the_table_says():
    """It is read by hand: eight bytes of length, a header in JSON, the arrays."""
    case, content = vector("opened"), (VECTORS / "opened.safetensors").read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    head, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    record = json.loads(head["__metadata__"]["wmlearn"])
    assert record["header"] == case["header"]
    assert record["nonce"] == case["nonce"]
    for mine, theirs in [("indices", "index"), ("names", "name"), ("secrets", "secret")]:
        assert record[mine] == [each[theirs] for each in case["opened"]]
    start, end = head["pixels"]["data_offsets"]
    images = joined(case["opened"], "images")
    assert data[start:end].hex() == "".join(images)
    assert (
        wm.evidence.read_opening(VECTORS / "opened.safetensors").answers().tolist()
        == (case["labels"])
    )


# ---------------------------------------------------------------- a message in the weights


def test_a_message_is_drawn_as_written(spec):
    case = vector("message")
    header, seed = case["header"], bytes.fromhex(case["label_seed"])
    assert spec.sha(spec.canonical(header)).hex() == case["seal"]
    rules = {key: value for key, value in header.items() if key != "root"}
    of_rules = {"images": [spec.sha(spec.canonical(rules)).hex()]}
    key = bytes.fromhex(case["key"])
    of_the_set = spec.hmac.digest(key, b"set" + spec.canonical(of_rules), "sha256")
    leaves = []
    for index, secret in enumerate(case["secrets"]):
        text = b"leaf" + index.to_bytes(4, "big")
        assert spec.hmac.digest(of_the_set, text, "sha256").hex() == secret
        leaf = {"index": index, "secret": secret, "allowed": [0, 1], "name": f"bit {index}"}
        leaves.append(spec.sha(b"\0" + spec.canonical(leaf | {"images": []})))
    for index, secret in enumerate(case["secrets"]):
        question = {"index": index, "secret": secret, "name": f"bit {index}", "images": []}
        question["path"] = [node.hex() for node in commitment.audit_paths(leaves)[index]]
        two = header | {"classes": ["0", "1"]}
        assert spec.label(two, seed, question, []) == case["bits"][index]
    for index, secret in enumerate(case["secrets"]):
        digest = hashlib.sha256(b"projection" + seed + bytes.fromhex(secret)).digest()
        row = normals(digest, len(case["mean_kernel"]))
        stored = [struct.unpack("f", struct.pack("f", number))[0] for number in row]
        assert stored[:4] == pytest.approx(case["projection"][index], rel=1e-6)
        product = sum(map(float.__mul__, stored, case["mean_kernel"]))
        assert int(product > 0) == case["read"][index]


# ---------------------------------------------------------------- signs that answers lean by


def features_of(image, header):
    """Return the features of one image (1, 4, 4), written as hexadecimal, by plain arithmetic."""
    rows = [list(bytes.fromhex(image)[4 * i : 4 * i + 4]) for i in range(4)]
    padded = [[0] * 6, *([0, *row, 0] for row in rows), [0] * 6]
    across = [[row[j] + 2 * row[j + 1] + row[j + 2] for j in range(4)] for row in padded]
    blurred = [
        [a + 2 * b + c for a, b, c in zip(*across[i : i + 3], strict=True)] for i in range(4)
    ]
    s = [
        blurred[i][j] + blurred[i][j + 1] + blurred[i + 1][j] + blurred[i + 1][j + 1]
        for i in (0, 2)
        for j in (0, 2)
    ]
    (d, width), numbers = header["projection"]
    found = []
    for k in range(d):
        row = numbers[width * k : width * (k + 1)]
        product = sum(map(int.__mul__, row, s)) - header["centre"][1][k]
        found.append(product // 2**20)
    return found


def chance_of(weights, reached):
    """Return the probability that fair coins with these weights sum to as much, as a fraction."""
    ways = {0: 1}
    for weight in weights:
        more = {}
        for total, count in ways.items():
            for new in (total, total + weight):
                more[new] = more.get(new, 0) + count
        ways = more
    return Fraction(sum(n for total, n in ways.items() if total >= reached), 2 ** len(weights))


@pytest.mark.parametrize("test", ["weighted", "signs", "bets"])
def test_signs_and_their_test_are_as_written(spec, test):
    """From the key to p, by the page alone and whole numbers of Python."""
    whole = vector("tilt")
    case, key = whole["tests"][test], bytes.fromhex(whole["key"])
    header, seed = case["header"], bytes.fromhex(case["label_seed"])
    assert spec.sha(spec.canonical(header)).hex() == case["seal"]
    digests = [spec.sha(b"uint8 1x4x4\n" + bytes.fromhex(one)).hex() for one in whole["images"]]
    assert spec.sha("".join(digests).encode()).hex() == header["images"]
    rules = {name: value for name, value in header.items() if name != "root"}
    of_rules = spec.canonical({"images": [spec.sha(spec.canonical(rules)).hex()]})
    of_the_set = spec.hmac.digest(key, b"set" + of_rules, "sha256")
    leaves, questions = [], []
    for index, secret in enumerate(case["secrets"]):
        text = b"leaf" + index.to_bytes(4, "big")
        assert spec.hmac.digest(of_the_set, text, "sha256").hex() == secret
        name = f"class {index // 4}, feature {index % 4}"
        leaf = {"index": index, "secret": secret, "allowed": [0, 1], "name": name, "images": []}
        leaves.append(spec.sha(b"\0" + spec.canonical(leaf)))
        questions.append({"index": index, "secret": secret, "name": name, "images": []})
    two = header | {"classes": ["0", "1"]}
    for question, path, sign in zip(questions, commitment.audit_paths(leaves), case["signs"]):
        question["path"] = [node.hex() for node in path]
        assert 2 * spec.label(two, seed, question, []) - 1 == sign

    statistic = [0] * 12
    references = sum(header["votes"][1][:3])
    for place, (image, answer) in enumerate(zip(whole["images"], case["answers"])):
        votes = header["votes"][1][3 * place : 3 * place + 3]
        if answer in (0, 1, 2):
            for k, feature in enumerate(features_of(image, header)):
                for c in range(3):
                    apart = references * (answer == c) - votes[c]
                    statistic[4 * c + k] += apart * (feature - header["middle"][1][k])
    assert statistic == case["statistic"]
    weights = [
        min(64, (32 * abs(t) + spread) // (2 * spread))
        for t, spread in zip(statistic, header["spread"][1])
    ]
    if test == "signs":
        weights = [int(t != 0) for t in statistic]
    assert weights == case["weights"]
    matched = [t * sign > 0 for t, sign in zip(statistic, case["signs"])]
    p = chance_of(weights, sum(map(int.__mul__, weights, matched)))
    if test == "bets":
        wealth = greatest = Fraction(1)
        for weight, won in zip(weights, matched):
            wealth *= 1 + Fraction(min(weight, 32), 64) * (1 if won else -1)
            greatest = max(greatest, wealth)
        p = 1 / greatest
    assert case["p"] == pytest.approx(float(p), rel=1e-12)
    assert 0 < case["p"] < 0.2  # 35 answers can show no more


def test_our_own_sealing_gives_the_vector_of_a_tilt():
    whole = vector("tilt")
    pixels = images_of(whole["images"])
    for test, case in whole["tests"].items():
        ruler, key = Ruler.from_header(case["header"]), bytes.fromhex(whole["key"])
        rules = Rules(tuple(case["header"]["classes"]), 0.001)
        sealed = seal_tilt(pixels, ruler, rules, size=1.0, test=test, key=key)
        assert (sealed.seal, sealed.header) == (case["seal"], case["header"])
        assert sealed.signs.ravel().tolist() == case["signs"]
        told = np.array(case["answers"])
        verdict = wm.evidence.verify_tilt(lambda images, told=told: told, sealed)
        assert (verdict.weights.tolist(), verdict.p) == (case["weights"], case["p"])


def normals(digest, count):
    """Return standard normal numbers by the polar method, as docs/spec.md describes it."""
    words = struct.unpack(">8I", digest)
    generator = Random(sum(word << 32 * place for place, word in enumerate(words)))
    numbers = []
    while len(numbers) < count:
        u, v = 2 * generator.random() - 1, 2 * generator.random() - 1
        s = u * u + v * v
        if 0 < s < 1:
            f = math.sqrt(-2 * math.log(s) / s)
            numbers += [f * v, f * u]
    return numbers[:count]

"""Making a case for the tribunal: an owner, four thieves, and two innocents, one of whom looks
guilty.
"""

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from wmlearn import zoo
from wmlearn._checks import check_count
from wmlearn._files import whole
from wmlearn.course.tribunal import ALPHA, LETTERS, digest, name_of
from wmlearn.data import load_data
from wmlearn.evidence import TriggerSet, stats, verify
from wmlearn.service import BlackBox
from wmlearn.theft import FineTune, PerturbWeights, Prune, StealByQueries
from wmlearn.theft.modify import OnWeights
from wmlearn.training import Schedule, fit
from wmlearn.training.models import SmallCNN, small_cnn
from wmlearn.triggers import Unrelated
from wmlearn.watermarks import embed

QUESTIONS, BUDGET = 100, 300  # each question is one image; all of them to everybody would be 600
# Within so many questions what is left of a copy must be found, or the theft was too strong for
# this budget.
WITHIN = 60
# What many are content with: anyone who counts, and looks after each answer, would accuse the
# suspicious one.
USUAL = 0.05
SHORT = Schedule(epochs=12, batch_size=64)


def new_case(
    out: str | Path,
    secret: str | Path,
    *,
    budget: int = BUDGET,
    key: bytes | None = None,
    seed: int | None = None,
) -> str:
    """Train an owner, their thieves and two innocents, and write the case and its truth into two
    new files.

    Parameters
    ----------
    out, secret : the student's file (safetensors) and the teacher's (JSON, readable by its owner
        alone)
    budget : how many images may be asked about, over all six services
    key : of the owner's questions; left out, a fresh one
    seed : of everything that is trained; left out, a fresh one. The order of the services and the
        salt are always fresh

    Returns
    -------
    The name of the case, which commits to the truth.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    """
    check_count(budget, "budget", low=1, why="images, over all")
    out, secret = Path(out), Path(secret)
    _check_new(out, secret)
    if seed is None:
        seed = secrets.randbelow(2**31)
    triggers, suspects = _suspects(key, seed)
    order = secrets.SystemRandom().sample(sorted(suspects), len(LETTERS))
    truth = dict(zip(LETTERS, order))
    salt = secrets.token_hex(16)
    name = name_of(truth, salt)
    weights = {}
    for letter, kind in truth.items():
        for part, tensor in suspects[kind].state_dict().items():
            weights[f"{letter}.{part}"] = tensor.contiguous().half()
    record = {
        "name": name,
        "budget": budget,
        "classes": list(triggers.rules.classes),
        "key": triggers.key.hex(),
        "seal": triggers.seal,
        "network": zoo.description(_network(seed)),
        "weights": digest(weights),
    }
    weights["pixels"] = torch.tensor(triggers.pixels)
    text = json.dumps({"case": name, "truth": truth, "salt": salt}, indent=1)
    content = save(weights, metadata={"wmlearn": json.dumps(record)})
    # both or none; the inner one takes its place first: no case without its truth
    with whole(out, new=True) as case, whole(secret, secret=True, new=True) as truth_file:
        case.write(content)
        truth_file.write(f"{text}\n".encode())
    return name


def _check_new(out: Path, secret: Path) -> None:
    if out == secret:
        raise ValueError(
            f"out and secret must be two files; both are {out}. Keep the truth in a file of its "
            "own."
        )
    for path in (out, secret):
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(
                f"{path} should lie in a folder that exists. Make the folder first."
            )
        if path.exists():
            raise FileExistsError(
                f"{path} should be a new file, and exists. Choose another name, or move it away."
            )


def _network(seed: int) -> SmallCNN:
    """Return an untrained network, of the shape that all six have."""
    return small_cnn(load_data("mnist"), width=8, seed=seed)


def _suspects(key: bytes | None, seed: int) -> tuple[TriggerSet, dict[str, nn.Module]]:
    """Return the owner's questions, and the six networks by what became of them."""
    data = load_data("mnist")
    triggers = Unrelated()(data, n=QUESTIONS, key=key, alpha=ALPHA)
    owner = embed(_network(seed), data, triggers, seed=seed).model
    tuned = [FineTune(lr=lr, seed=seed) for lr in (1e-2, 9e-3, 8e-3, 7e-3, 5e-3, 3e-3)]
    pruned = map(Prune, (0.7, 0.6, 0.5))
    few = data.train.take(slice(2000))
    imitate = StealByQueries(seed=seed, schedule=SHORT)
    return triggers, {
        "copy": owner,
        "fine-tuned": _strongest(tuned, owner, triggers),
        "pruned": _strongest(pruned, owner, triggers),
        "imitated": imitate(BlackBox(owner), _network(seed + 1), data.loot).model,
        "innocent": fit(_network(seed + 2), few, schedule=SHORT, seed=seed).model,
        "suspicious": _suspicious(triggers, seed + 3),
    }


def _strongest(thefts: Iterable[OnWeights], owner: nn.Module, triggers: TriggerSet) -> nn.Module:
    """Return what the first theft leaves that is still found."""
    for theft in thefts:
        copy = theft(owner, load_data("mnist").loot).model
        verdict = verify(BlackBox(copy), triggers, questions=WITHIN, family=len(LETTERS))
        if verdict.decision == "found":
            return copy
    raise RuntimeError("no theft leaves a mark that can be found; take another seed")


def _suspicious(triggers: TriggerSet, seed: int) -> nn.Module:
    """Return of many innocent networks the one that counts worst; the honest test, at alpha
    unshared, does not find it.

    Chosen by its answers, it is no longer independent of the key, and no theorem protects it: hence
    the check. The guarantee is for suspects that somebody else has chosen, before the questions
    were asked.
    """
    digits = load_data("mnist").train
    lowest = 1.0
    while lowest > USUAL:
        seed += 1
        few = digits.take(np.random.default_rng(seed).permutation(len(digits))[:2000])
        model = fit(_network(seed), few, schedule=SHORT, seed=seed).model
        for number in range(150):
            variant = PerturbWeights(0.4, seed=number)(model).model
            verdict = verify(BlackBox(variant), triggers)
            asked = np.arange(1, verdict.n + 1)
            counted = stats.binomial_p(verdict.matched.cumsum(), asked, verdict.terms.p0)
            if verdict.p > ALPHA and np.min(counted) <= lowest:
                lowest, worst = float(np.min(counted)), variant
    return worst

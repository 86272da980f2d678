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

QUESTIONS, BUDGET = 100, 300  # a question is one image; asking all of all six would take 600
# A stolen model must be found within this many questions, or the theft was too strong for the
# budget.
WITHIN = 60
# The usual significance level: with it, anyone who looks at the binomial p after each answer would
# accuse the suspicious innocent.
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
    """Train an owner's network, four stolen and two innocent ones, and write a case and its truth.

    Parameters
    ----------
    out, secret : the students' file (safetensors) and the teacher's (JSON, readable only by its
        owner), both new
    budget : how many images students may send, to all six services together
    key : the key of the owner's questions; left out, a fresh one
    seed : the seed of all trainings; left out, a fresh one. The order of the services and the salt
        are always fresh

    Returns
    -------
    str
        The name of the case, which commits to the truth.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    FileNotFoundError
        If the folder of a file does not exist.
    TypeError, ValueError
        If the budget is not a whole number of 1 or more, or both files are the same.
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
    # both files or none; the inner one is moved into place first: no case without its truth
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
                f"{path} should be in a folder that exists; it is not. Make the folder first."
            )
        if path.exists():
            raise FileExistsError(
                f"{path} should be a new file; it exists. Choose another name, or move it away."
            )


def _network(seed: int) -> SmallCNN:
    """Return an untrained network of the architecture that all six have."""
    return small_cnn(load_data("mnist"), width=8, seed=seed)


def _suspects(key: bytes | None, seed: int) -> tuple[TriggerSet, dict[str, nn.Module]]:
    """Return the owner's questions, and the six networks by what was done to each."""
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
    """Return the stolen model of the first theft, strongest first, whose watermark is found."""
    for theft in thefts:
        copy = theft(owner, load_data("mnist").loot).model
        verdict = verify(BlackBox(copy), triggers, questions=WITHIN, family=len(LETTERS))
        if verdict.decision == "found":
            return copy
    raise RuntimeError("no theft leaves a watermark that can be found; take another seed")


def _suspicious(triggers: TriggerSet, seed: int) -> nn.Module:
    """Return an innocent network whose answers look guilty, but not to the honest test at alpha.

    It is the one of many with the lowest binomial p at any step. Chosen by its answers, it is no
    longer independent of the key and no theorem protects it; hence the check. The guarantee holds
    for suspects that somebody else has chosen before the questions were asked.
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

"""Making a case for the tribunal: an owner, four thieves, and two innocents, one of whom looks
guilty.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from wmlearn import zoo
from wmlearn._checks import check_count, check_seed
from wmlearn.course.tribunal import ALPHA, FAMILY, digest, name_of
from wmlearn.data.splits import load_data
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.storage import _write_secret
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verification import verify
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft import FineTune, PerturbWeights, Prune, StealByQueries
from wmlearn.training.loop import fit
from wmlearn.training.models import small_cnn
from wmlearn.training.schedule import Schedule
from wmlearn.triggers.unrelated import Unrelated
from wmlearn.watermarks.embedding import embed

QUESTIONS, BUDGET = 100, 300  # each question is one image; all of them to everybody would be 600
# questions in which what is left of a copy must be found, or the theft was too strong for this
# budget
WITHIN = 60
# what many are content with; whoever counts, and looks after each answer, would accuse the
# suspicious one
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
    if Path(out) == Path(secret):
        raise ValueError(
            f"out and secret must be two files; both are {out}. Keep the truth in a file of its "
            "own."
        )
    for path in (Path(out), Path(secret)):
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(
                f"{path} should lie in a folder that exists. Make the folder first."
            )
        if path.exists():
            raise FileExistsError(
                f"{path} should be a new file, and exists. Choose another name, or move it away."
            )
    seed = secrets.randbelow(2**31) if seed is None else check_seed(seed)
    key = commitment.new_key() if key is None else commitment.check_key(key)
    triggers, suspects = _suspects(key, seed)
    order = secrets.SystemRandom().sample(sorted(suspects), FAMILY)
    truth, salt = dict(zip("ABCDEF", order)), secrets.token_hex(16)
    record = {
        "name": name_of(truth, salt),
        "budget": budget,
        "classes": list(triggers.rules.classes),
        "key": key.hex(),
    }
    first = suspects["copy"]  # all six are of one kind
    record |= {"seal": triggers.seal, "network": zoo.description(first)}
    tensors = {
        f"{letter}.{name}": tensor.contiguous().half()
        if tensor.is_floating_point()
        else tensor.contiguous()
        for letter, kind in truth.items()
        for name, tensor in suspects[kind].state_dict().items()
    }
    record["weights"] = digest(tensors)
    save_file(
        tensors | {"pixels": torch.tensor(triggers.pixels)},
        out,
        metadata={"wmlearn": json.dumps(record)},
    )
    _write_secret(
        Path(secret),
        json.dumps({"case": record["name"], "truth": truth, "salt": salt}, indent=1) + "\n",
    )
    return record["name"]


def _suspects(key: bytes, seed: int) -> tuple[TriggerSet, dict[str, nn.Module]]:
    """Return the owner's questions, and the six networks by what became of them, all of one shape."""
    data, fresh = load_data("mnist"), partial(small_cnn, load_data("mnist"), width=8)
    triggers = Unrelated()(data, n=QUESTIONS, key=key, alpha=ALPHA)
    owner = embed(fresh(seed=seed), data, triggers, seed=seed).model
    tuned = [
        FineTune(lr=lr, seed=seed)(owner, data.loot).model
        for lr in (3e-3, 5e-3, 7e-3, 8e-3, 9e-3, 1e-2)
    ]
    pruned = [Prune(fraction)(owner).model for fraction in (0.5, 0.6, 0.7)]
    imitated = StealByQueries(seed=seed, schedule=SHORT)(
        BlackBox(owner), fresh(seed=seed + 1), data.loot
    ).model
    innocent = fit(
        fresh(seed=seed + 2), data.train.take(slice(2000)), schedule=SHORT, seed=seed
    ).model
    taken = {"copy": owner, "imitated": imitated}
    for kind, copies in {"fine-tuned": tuned, "pruned": pruned}.items():
        asked = [
            verify(BlackBox(copy), triggers, questions=WITHIN, family=FAMILY) for copy in copies
        ]
        taken[kind] = [copy for copy, verdict in zip(copies, asked) if verdict.decision == "found"][
            -1
        ]
    return triggers, taken | {
        "innocent": innocent,
        "suspicious": _suspicious(triggers, fresh, seed + 3),
    }


def _suspicious(triggers: TriggerSet, fresh: Callable[..., nn.Module], seed: int) -> nn.Module:
    """Return of many innocent networks the one that counts worst; the honest test, at alpha
    unshared, does not find it.

    Chosen by its answers, it is no longer independent of the key, and no theorem protects it: hence
    the check. The guarantee is for suspects that somebody else has chosen, before the questions
    were asked.
    """
    data, looks = load_data("mnist").train, {}
    while min(looks, default=1.0) > USUAL:
        seed += 1
        own = data.take(np.random.default_rng(seed).permutation(len(data))[:2000])
        model = fit(fresh(seed=seed), own, schedule=SHORT, seed=seed).model
        for variant in (PerturbWeights(0.4, seed=i)(model).model for i in range(150)):
            verdict = verify(BlackBox(variant), triggers)
            if verdict.p > ALPHA:
                counted = stats.binomial_p(
                    verdict.matched.cumsum(), np.arange(1, triggers.n + 1), triggers.p0
                )
                looks[float(np.min(counted))] = variant
    return looks[min(looks)]

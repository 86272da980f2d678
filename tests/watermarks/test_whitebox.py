"""A message in the weights: drawn from the seal, read without questions, and true about innocent
models.
"""

import copy
import dataclasses
import hashlib
import itertools
import math
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from torch import nn

import wmlearn as wm
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.rules import Terms
from wmlearn.evidence.verdict_kinds import JudgedMessageVerdict, reach_verdict
from wmlearn.watermarks.whitebox import (
    Message,
    embed_message,
    judge_message,
    open_message,
    seal_message,
    verify_message,
)

FOUR = wm.Schedule(epochs=4)


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def network(mnist):
    return wm.small_cnn(mnist)


@pytest.fixture(scope="module")
def message(network):
    return seal_message(network, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="module")
def owner(network, mnist, message):
    return embed_message(network, mnist, message, schedule=FOUR)


@pytest.fixture(scope="module")
def innocent(network, mnist):
    return wm.fit(network, mnist, schedule=FOUR)


def test_every_bit_is_learnt_and_found(owner, message):
    verdict = verify_message(owner.model, message)
    assert (verdict.k, verdict.n, verdict.decision) == (64, 64, "found")
    assert owner.history.last.watermark_accuracy == 1
    assert "1 in 2" in " ".join(verdict.explain().split())


def test_the_task_is_learnt_too(owner, innocent):
    assert owner.task_accuracy > innocent.task_accuracy - 0.02


def test_the_model_passed_in_is_left_alone(network, mnist, message):
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    part, once = mnist.train.take(slice(256)), wm.Schedule(epochs=1)
    made = embed_message(network, part, message, schedule=once)
    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())
    assert np.isnan(made.task_accuracy)  # a part alone has nothing to be tested on
    # The pull is gone: a loss without slope leaves none.
    weights = made.model.get_submodule("layers.3").weight
    weights.grad = None
    (0 * weights).sum().backward()
    assert not weights.grad.any()


def test_the_same_seed_gives_the_same_weights(network, mnist, message):
    part, once = mnist.train.take(slice(512)), wm.Schedule(epochs=1)
    first, again = [embed_message(network, part, message, schedule=once).model for _ in range(2)]
    assert all(torch.equal(*pair) for pair in zip(first.parameters(), again.parameters()))


def test_an_innocent_model_is_not_accused(innocent, message):
    assert verify_message(innocent.model, message).decision == "not found"


def test_a_fine_tuned_copy_still_spells_the_message(owner, mnist, message):
    thief = wm.theft.FineTune(epochs=3)(owner.model, mnist.loot)
    assert verify_message(thief.model, message).k >= 60


def test_another_order_of_the_channels_computes_the_same_and_spells_nothing(owner, mnist, message):
    """What the projection is tied to: the places of the input channels.

    A thief who shuffles them is not read.
    """
    shuffled = copy.deepcopy(owner.model)
    first, second = shuffled.get_submodule("layers.1"), shuffled.get_submodule("layers.3")
    order = torch.from_numpy(np.random.default_rng(0).permutation(first.out_channels))
    with torch.no_grad():
        first.weight.copy_(first.weight[order])
        first.bias.copy_(first.bias[order])
        second.weight.copy_(second.weight[:, order])
        images = torch.from_numpy(mnist.test.images[:50])
        assert torch.allclose(shuffled(images), owner.model(images), atol=1e-4)
    assert verify_message(shuffled, message).decision == "not found"


def test_matches_of_an_innocent_model_are_binomial_over_keys(innocent, monkeypatch):
    """The theorem, through the real code; only scrypt, which takes 50 ms on purpose, is replaced by
    one SHA-256.
    """
    quick = lambda seal, beacon=b"": hashlib.sha256(seal.encode()).digest()  # noqa: E731
    monkeypatch.setattr(commitment, "label_seed", quick)
    counts = []
    for i in range(400):
        secret = seal_message(
            innocent.model, bits=8, key=hashlib.sha256(f"key {i}".encode()).digest()
        )
        counts.append(verify_message(innocent.model, secret).k)
    expected = 400 * scipy_stats.binom.pmf(np.arange(9), 8, 0.5)
    observed = np.bincount(counts, minlength=9)
    # No cell below five.
    merged = [[row[:2].sum(), *row[2:7], row[7:].sum()] for row in (observed, expected)]
    assert scipy_stats.chisquare(*merged).pvalue > 0.001


@pytest.mark.parametrize(
    "change", [{"bits": 63}, {"alpha": 0.01}, {"layer": "layers.1", "bits": 9}, {"key": bytes(32)}]
)
def test_whatever_is_sealed_draws_all_anew(network, message, change):
    other = seal_message(network, **{"key": wm.CLASSROOM_KEY, **change})
    assert other.seal != message.seal
    rows = min(len(other.projection), len(message.projection))
    one, two = other.projection[:rows, :9], message.projection[:rows, :9]
    assert not np.isclose(one, two).all(1).any()


def test_weights_of_zero_spell_nothing(network, message):
    blank = copy.deepcopy(network)
    nn.init.zeros_(blank.get_submodule("layers.3").weight)
    verdict = verify_message(blank, message)
    assert (verdict.k, verdict.unanswered.sum(), verdict.decision) == (0, 64, "cannot tell")


def test_weights_that_are_no_numbers_spell_nothing(network, message):
    broken = copy.deepcopy(network)
    nn.init.constant_(broken.get_submodule("layers.3").weight, float("nan"))
    assert verify_message(broken, message).k == 0


def test_a_message_keeps_its_key(message, network):
    secret = seal_message(network, key=bytes(range(32)))
    assert bytes(range(32)).hex() not in repr(secret) + repr(vars(secret)["header"])
    assert "classroom key" in repr(message)
    assert "classroom" not in repr(secret)
    assert isinstance(seal_message(network), Message)


def test_a_message_is_not_pickled_but_may_be_passed_on(says, network):
    secret = seal_message(network, key=bytes(range(32)))
    for protocol in (0, pickle.DEFAULT_PROTOCOL):
        with says(TypeError):
            pickle.dumps(secret, protocol=protocol)
    assert copy.deepcopy(secret) is copy.copy(secret) is secret
    assert repr(secret.key) == str(secret.key) == "<secret of 32 bytes>"
    again = seal_message(network, key=bytes.fromhex(secret.key.hex()))  # as the error says
    assert again.seal == secret.seal
    assert (again.bits == secret.bits).all()


def test_what_is_sealed_cannot_be_written_to(says, message):
    for array in (message.bits, message.projection):
        with says(ValueError):
            array[0] = 1


def test_what_is_opened_of_one_message_says_nothing_of_another_under_the_same_key(
    network, monkeypatch
):
    drawn, real = [], commitment.question_secrets

    def note(*given):
        drawn.append(real(*given))
        return drawn[-1]

    monkeypatch.setattr(commitment, "question_secrets", note)
    for rules in ({"layer": "layers.1"}, {"layer": "layers.3"}, {"alpha": 0.01}, {"bits": 9}):
        seal_message(network, **{"bits": 8, "key": wm.CLASSROOM_KEY, **rules})
    assert len(set(itertools.chain(*drawn))) == 8 + 8 + 8 + 9


def test_whoever_sorts_channels_until_it_fits_pays_for_every_order(owner, innocent, message):
    """Twelve channels that a liar swaps wherever that gains a bit: not believed once all orders
    share alpha.
    """
    kernel = innocent.model.get_submodule("layers.3").weight.detach().mean(0).reshape(12, 9).numpy()
    lists = message.projection.reshape(64, 12, 9)
    order = np.arange(12)

    def right(order):
        return (((lists * kernel[order]).sum((1, 2)) > 0) == message.bits).sum()

    for i, j in 10 * list(itertools.combinations(range(12), 2)):
        swapped = order.copy()
        swapped[[i, j]] = order[[j, i]]
        order = max(order, swapped, key=right)
    found = copy.deepcopy(innocent.model)
    layer = found.get_submodule("layers.3")
    layer.weight.data = layer.weight.data[:, order]
    every = math.factorial(12)
    assert verify_message(found, message).k >= 42  # far more than luck
    assert verify_message(found, message, family=every).decision == "not found"
    assert verify_message(owner.model, message, family=every).decision == "found"


def test_a_layer_that_does_not_learn_its_weights_carries_nothing(says, network, mnist, message):
    """A pull on weights that are computed anew for each image would be lost in silence."""
    frozen, computed = copy.deepcopy(network), copy.deepcopy(network)
    frozen.get_submodule(message.layer).requires_grad_(False)
    nn.utils.parametrizations.weight_norm(computed.get_submodule(message.layer))
    for model in (frozen, computed):
        with says(ValueError):
            embed_message(model, mnist.train.take(slice(64)), message)
        assert len(message.read(model)) == len(message.bits)
    settled = nn.utils.parametrize.remove_parametrizations
    settled(computed.get_submodule(message.layer), "weight")
    assert np.array_equal(message.read(computed), message.read(network))


def test_the_last_convolution_is_taken(mnist):
    assert seal_message(wm.training.deep_cnn(mnist, width=4), bits=8).layer == "layers.11"


@pytest.mark.parametrize(
    "arguments",
    [
        {"bits": 109},
        {"bits": 0},
        {"layer": "layers.5"},
        {"layer": ["layers.3"]},
        {"alpha": 2},
        {"key": b"short"},
    ],
    ids=str,
)
def test_what_cannot_be_sealed(says, network, arguments):
    with says((TypeError, ValueError)):
        seal_message(network, **arguments)


def test_what_cannot_be_read(says, mnist, network, message):
    with says(TypeError):
        seal_message("mnist")
    with says(ValueError):
        seal_message(nn.Linear(3, 3))
    with says(ValueError):
        seal_message(nn.Linear(3, 3), layer="layers.5")
    with says(ValueError):
        verify_message(wm.small_cnn(mnist, width=20), message)
    with says(TypeError):
        verify_message(network, "secret")
    with says(ValueError):
        embed_message(network, mnist, message, strength=0)
    with says(ValueError):
        verify_message(network, message, family=0)


# ---------------------------------------------------------------- before a judge


@pytest.fixture(scope="module")
def named(message):
    return wm.evidence.challenge(message.seal, b"three dice", questions=64, count=60)


@pytest.fixture(scope="module")
def opened(message, named):
    return open_message(message, named, nonce=b"three dice", case="Alice v. Bob")


def test_a_message_is_opened_and_found_by_who_does_not_trust_the_owner(
    says, owner, message, named, opened, tmp_path
):
    same = wm.evidence.read_opening(opened.save(tmp_path / "opened.safetensors"))
    assert (same.nonce, same.case, len(same.pixels)) == (b"three dice", "Alice v. Bob", 0)
    assert np.array_equal(same.answers(), message.bits[named])
    verdict = judge_message(owner.model, same, seal=message.seal, named=named)
    assert isinstance(verdict, JudgedMessageVerdict)
    assert (verdict.decision, verdict.k, verdict.n) == ("found", 60, 60)
    assert verdict.p_judge == 2.0 ** (48 - 60)
    assert verdict.to_dict()["bit_error_rate"] == 0
    says(verdict.explain())
    says(repr(verdict))
    ax = verdict.plot()
    says(ax.get_xlabel())


def test_a_judge_reads_what_the_owner_reads_in_any_order(says, innocent, message, named, opened):
    owners = verify_message(innocent.model, message)
    for order in (named, named[::-1], np.random.default_rng(1).permutation(named)):
        verdict = judge_message(innocent.model, opened, seal=message.seal, named=order)
        assert np.array_equal(verdict.matched, owners.matched[named])
        assert verdict.decision == "not found"
    exact = scipy_stats.binom.sf(verdict.k - 1, 60, 0.5)
    assert verdict.p == pytest.approx(exact)
    says(verdict.explain())


def test_a_bit_that_was_named_and_not_opened_is_a_miss(says, owner, message, named):
    few = open_message(message, named[:58])
    verdict = judge_message(owner.model, few, seal=message.seal, named=named)
    assert (verdict.k, verdict.n, int(verdict.unanswered.sum())) == (58, 60, 2)
    assert verdict.decision == "cannot tell"  # not even all that were opened are enough
    says(verdict.explain())
    verdict = judge_message(owner.model, few, seal=message.seal, named=named[:58])
    assert verdict.decision == "found"
    half = judge_message(owner.model, few, seal=message.seal, named=named[:58], family=1000)
    assert half.decision == "cannot tell"
    more = judge_message(owner.model, few, seal=message.seal, named=named[57:])
    assert (more.k, more.n) == (1, 3)  # what was opened beyond the named is left out


def test_a_message_too_short_for_a_judge_says_so_when_it_is_sealed(says, network, recwarn):
    with says(UserWarning):
        short = seal_message(network, bits=57, key=bytes(32))
    says(repr(short))
    recwarn.clear()
    enough = seal_message(network, bits=58, key=bytes(32))
    assert not recwarn
    assert "judge" not in repr(enough)


def test_the_judge_sees_a_public_key_whatever_the_owner_says(owner, message, named, opened):
    hidden = dataclasses.replace(opened, public_key=False)
    assert judge_message(owner.model, hidden, seal=message.seal, named=named).terms.public_key
    secret = seal_message(owner.model, key=bytes(32))
    private = open_message(secret, range(64))
    verdict = judge_message(owner.model, private, seal=secret.seal, named=range(64))
    assert not verdict.terms.public_key


def test_the_matches_of_an_innocent_before_a_judge_are_those_of_the_owners_test(
    innocent, monkeypatch
):
    """Binomial over keys, then, as shown above."""
    quick = lambda seal, outcome="": hashlib.sha256((seal + outcome).encode()).digest()  # noqa: E731
    monkeypatch.setattr(commitment, "label_seed", quick)
    for i in range(30):
        secret = seal_message(innocent.model, key=hashlib.sha256(f"key {i}".encode()).digest())
        verdict = judge_message(
            innocent.model, open_message(secret, range(64)), seal=secret.seal, named=range(64)
        )
        assert verdict.k == verify_message(innocent.model, secret).k
        assert verdict.decision == "not found"


def test_what_is_no_part_of_a_message_changes_nothing(owner, innocent, message, named, opened):
    """Neither images nor the outcome of a draw: by it the bits could be drawn again and again."""
    odd = dataclasses.replace(
        opened,
        pixels=np.zeros((3, 1, 2, 2), np.uint8),
        question=np.zeros(7, np.int64),
        outcome="4 1 6",
    )
    for model in (owner.model, innocent.model):
        verdicts = [
            judge_message(model, each, seal=message.seal, named=named) for each in (odd, opened)
        ]
        assert np.array_equal(verdicts[0].matched, verdicts[1].matched)


@pytest.mark.parametrize("part", ["secrets", "paths", "indices", "names"])
def test_bits_that_were_not_sealed_so_are_refused(says, owner, message, named, opened, part):
    given = list(getattr(opened, part))
    given[0], given[1] = given[1], given[0]
    forged = dataclasses.replace(opened, **{part: tuple(given)})
    with says(ValueError):
        judge_message(owner.model, forged, seal=message.seal, named=named)


@pytest.mark.parametrize(
    "rule",
    [
        {"alpha": "1e-3"},
        {"alpha": None},
        {"kernel": [12.0, 3, 3]},
        {"kernel": 12},
        {"questions": 64.0},
        {"questions": "64"},
        {"p0": "1/3"},
        {"layer": 3},
        {"version": True},
        {"classes": ["0", "1"]},
        {"root": 5},
    ],
    ids=str,
)
def test_one_header_per_set_of_rules(says, owner, opened, named, rule):
    forged = dataclasses.replace(opened, header=dict(opened.header) | rule)
    with says(ValueError):
        judge_message(owner.model, forged, seal=forged.seal, named=named)


def test_more_bits_than_the_kernel_has_numbers_are_refused_before_any_is_drawn(
    says, owner, opened, named
):
    forged = dataclasses.replace(opened, header=dict(opened.header) | {"questions": 10**10})
    with says(ValueError):
        judge_message(owner.model, forged, seal=forged.seal, named=named)


def test_a_message_and_a_trigger_set_do_not_pass_for_each_other(
    says, mnist, owner, message, named, opened
):
    triggers = wm.Noise()(mnist, n=60, key=wm.CLASSROOM_KEY)
    images = wm.evidence.open_questions(triggers, range(60))
    with says(ValueError):
        judge_message(owner.model, images, seal=triggers.seal, named=range(60))
    with says(ValueError):
        wm.evidence.judge(wm.BlackBox(owner.model), opened, seal=message.seal, named=named)
    with says(TypeError):
        open_message(triggers, [1])
    with says(ValueError):
        open_message(message, [64])
    with says(ValueError):
        judge_message(owner.model, opened, seal=triggers.seal, named=named)
    with says(TypeError):
        judge_message(owner.model, message, seal=message.seal, named=named)
    with says(ValueError):
        judge_message(wm.small_cnn(mnist, width=20), opened, seal=message.seal, named=named)


# ---------------------------------------------------------------- families beyond all floats


def read_as(bits, matched, kind="bits"):
    """Return the verdict on so many bits of which the first few match, alpha 0.01."""
    read = np.where(np.arange(bits) < matched, 1, 0)
    answers = Answers(read, np.arange(bits), np.ones(bits, np.int64), n_classes=2)
    return answers, Terms(0.01, 2, bits, public_key=False, kind=kind)


@pytest.mark.parametrize("kind", ["bits", "judged bits"])
@pytest.mark.parametrize(("bits", "matched"), [(64, 64), (2000, 2000), (2000, 1000)])
def test_every_order_of_256_channels_is_paid_for_or_not(says, kind, bits, matched):
    every = math.factorial(256)
    answers, terms = read_as(bits, matched, kind)
    verdict = reach_verdict(answers, terms, family=every)
    decision = {64: "cannot tell", 2000: "not found"}[bits]
    if matched == 2000:
        decision = "found"
    assert verdict.decision == decision
    assert verdict.level == 0
    assert verdict.to_dict()["family"] == every
    says(verdict.explain())
    says(repr(verdict))
    assert "about 10^507" in verdict._repr_html_()
    plt.close(verdict.plot().figure)


def test_what_has_so_small_a_p_that_floats_call_it_0_is_found():
    verdict = reach_verdict(*read_as(1100, 1100, "judged bits"))
    assert (verdict.decision, verdict.p) == ("found", 1e-300)
    assert verdict.p_judge == pytest.approx(2.0**48 * 1e-300)


@given(st.integers(1, 10**6), st.integers(0, 64), st.sampled_from(["bits", "judged bits"]))
def test_families_that_floats_hold_are_decided_as_by_division(family, matched, kind):
    verdict = reach_verdict(*read_as(64, matched, kind), family=family)
    assert verdict.level == 0.01 / family
    p = verdict.p if kind == "bits" else verdict.p * verdict.terms.seals
    assert (verdict.decision == "found") == (p <= verdict.level * (1 + 1e-12))

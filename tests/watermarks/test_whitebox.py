"""A message in the weights: drawn from the seal, read without questions, and true about innocent
models.
"""

import copy
import hashlib
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from scipy import stats as scipy_stats
from torch import nn

import wmlearn as wm
from wmlearn.evidence import commitment
from wmlearn.watermarks.whitebox import Message, embed_message, seal_message, verify_message

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
    assert "1 in 2" in verdict.explain()


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
    """Twelve channels that a liar swaps wherever that gets him a bit: not believed once all orders
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


def test_the_last_convolution_is_taken(mnist):
    assert seal_message(wm.training.deep_cnn(mnist, width=4), bits=8).layer == "layers.11"


@pytest.mark.parametrize(
    "arguments",
    [{"bits": 109}, {"bits": 0}, {"layer": "layers.5"}, {"alpha": 2}, {"key": b"short"}],
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

"""Randomness: streams that never change, and the caller's own generators left alone."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from wmlearn._random import seeded, stable_rng, torch_generator


def test_the_stable_stream_is_pinned():
    """Written down once.

    Should these numbers ever change, every seal and every shipped image would, too.
    """
    rng = stable_rng(0)
    assert rng.random_sample(3).tolist() == [
        0.5488135039273248,
        0.7151893663724195,
        0.6027633760716439,
    ]
    assert stable_rng(0).permutation(10).tolist() == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]
    assert stable_rng(7).normal(size=2).tolist() == pytest.approx(
        [1.690525703800356, -0.4659373705408328], abs=1e-15
    )
    assert stable_rng(1).randint(0, 256, 5).tolist() == [37, 235, 140, 72, 255]


def test_stable_generators_are_their_own():
    before = np.random.get_state()[1].copy()
    one, other = stable_rng(3), stable_rng(3)
    first = one.random_sample(4)
    assert np.array_equal(other.random_sample(4), first)  # drawing from one does not move the other
    assert np.array_equal(np.random.get_state()[1], before)


def test_a_torch_generator_is_private():
    before = torch.get_rng_state()
    drawn = torch.randperm(100, generator=torch_generator(5))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.randperm(100, generator=torch_generator(5)), drawn)
    assert not torch.equal(torch.randperm(100, generator=torch_generator(6)), drawn)


def test_seeded_seeds_inside_and_restores_outside():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    with seeded(5):
        inside = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)  # the oracle: what torch itself draws from this seed
    assert torch.equal(torch.rand(4), inside)


def test_seeded_restores_after_an_error_and_frees_the_lock():
    before = torch.get_rng_state()

    def fail() -> None:
        with seeded(5):
            torch.rand(4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert torch.equal(torch.get_rng_state(), before)
    entered = threading.Event()

    def enter() -> None:
        with seeded(1):
            entered.set()

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    assert entered.wait(10)
    thread.join(10)


def test_seeded_blocks_nest():
    with seeded(1):
        first = torch.rand(1)
        with seeded(2):
            torch.rand(1)
        second = torch.rand(1)
    with seeded(1):
        assert torch.equal(torch.rand(2), torch.cat([first, second]))


def test_seeded_leaves_a_gpu_alone(monkeypatch):
    """`torch.manual_seed` would seed every CUDA device, too, and nothing would put those back."""
    asked: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", asked.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", asked.append)
    with seeded(5):
        torch.rand(1)
    assert not asked


def test_two_threads_do_not_draw_from_each_others_stream():
    with seeded(0):
        zero = torch.rand(40)
    with seeded(1):
        one = torch.rand(40)
    drawn: dict[int, torch.Tensor] = {}
    together = threading.Barrier(2)

    def draw(seed: int) -> None:
        together.wait()
        with seeded(seed):
            numbers = []
            for _ in range(40):
                numbers.append(torch.rand(1))
                time.sleep(1e-4)  # invite the other thread in
            drawn[seed] = torch.cat(numbers)

    before = torch.get_rng_state()
    threads = [threading.Thread(target=draw, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert torch.equal(drawn[0], zero)
    assert torch.equal(drawn[1], one)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", ["a", 1.5, -1, 2**40, None, [], [1, -1], [[1]]])
def test_a_bad_seed_is_refused_in_a_sentence_and_changes_nothing(says, seed):
    before = torch.get_rng_state()
    draws = (
        [stable_rng]
        if isinstance(seed, list)
        else [stable_rng, torch_generator, lambda seed: seeded(seed).__enter__()]
    )
    for draw in draws:
        with says((TypeError, ValueError)):
            draw(seed)
    assert torch.equal(torch.get_rng_state(), before)


def test_several_numbers_are_a_seed_of_their_own():
    """The oracle is numpy; eight numbers up to 2**32 - 1 come from a key."""
    for several in ([7], [7, 1], (0, 2**32 - 1)):
        assert stable_rng(several).randint(10**6) == np.random.RandomState(list(several)).randint(
            10**6
        )
    assert stable_rng([7]).randint(10**6) != stable_rng(7).randint(10**6)

"""What learners may write where something is to be built: each right, in a way of its own."""

import copy

import numpy as np
import torch

import wmlearn as wm


def matched(replies, secrets):
    return [list(row).count(secret) * 2 > len(row) for row, secret in zip(replies, secrets)]


def losses(scores, labels):
    scores, labels = torch.tensor(scores), torch.tensor(labels)
    return torch.nn.functional.cross_entropy(scores, labels, reduction="none")


def stamp_at(pixels, plate, top, left, opacity):
    stamped = np.array(pixels, float)
    for row, column in np.ndindex(plate.shape):
        dots = stamped[:, :, top + row, left + column]
        stamped[:, :, top + row, left + column] = dots + opacity * (plate[row, column] - dots)
    return np.rint(stamped).astype("uint8")


def as_photographs(digits):
    framed = torch.nn.functional.pad(torch.tensor(digits), (2, 2, 2, 2))
    return torch.cat([framed, framed, framed], dim=1)


def add_noise(images, sigma, rng):
    pattern = sigma * rng.standard_normal(images[0].shape)
    return [np.rint(255 * np.clip(image + pattern, 0, 1)) / 255 for image in images]


def batches(n_digits, n_triggers, times, size, rng):
    rows = [*range(n_digits), *times * list(range(n_digits, n_digits + n_triggers))]
    rng.shuffle(rows)
    return [torch.tensor(rows[i : i + size]) for i in range(0, len(rows), size)]


def ask_all(send, images, size, tries):
    labels = np.full(len(images), -1)
    for start in range(0, len(images), size):
        for _ in range(tries):
            try:
                labels[start : start + size] = send(images[start : start + size])
            except ConnectionError:
                continue
            break
    return labels


def redraw(said, secret, draws):
    real = np.sum(said == secret)
    return float(np.mean([np.sum(said == draw) >= real for draw in draws]))


def follow(matched, kept, p0):
    return np.exp(np.cumsum(np.log(np.where(matched, kept / p0, (1 - kept) / (1 - p0)))))


def prune_layers(model, share):
    thief = copy.deepcopy(model)
    with torch.no_grad():
        for name, weights in thief.named_parameters():
            if name.endswith("weight"):
                order = weights.abs().flatten().argsort()
                weights.view(-1)[order[: int(share * len(order))]] = 0
    return thief


def ask_twice(ask, pixels, rng):
    first, second = (
        ask(np.clip(pixels / 255 + rng.integers(-2, 3, pixels.shape) / 255, 0, 1)) for _ in "12"
    )
    return tuple(zip(*[(i, a) for i, (a, b) in enumerate(zip(first, second)) if a == b]))


def guarded(service, images, known, limit, rng):
    far = np.linalg.norm(images[:, None] - known[None], axis=(3, 4)).min(axis=1)[:, 0] > limit
    return [rng.integers(10) if odd else label for odd, label in zip(far, service(images))]


def forge(projection, kernel, bits):
    lists = []
    for row, bit in zip(projection, bits):
        lists.append(row if (row @ kernel > 0) == bit else -row)
    return lists


def plan(case):
    while case.left >= 6:
        waiting = [s for s, test in case.tests.items() if test.left and test.verdict.p > 0.01 / 6]
        if not waiting:
            break
        for letter in waiting:
            case.ask(letter, 1)
    return {
        letter: "accuse" if test.verdict.decision == "found" else "abstain"
        for letter, test in case.tests.items()
    }


class Mine(wm.Trigger):
    """Digits, shifted by a place that is drawn for each."""

    def make(self, split, n, rng):
        images = self.draw(split, n, rng).images
        return np.stack([np.roll(image, rng.randint(3, 12), axis=2) for image in images])


def learner(matched, p0):
    k = np.concatenate([[0], np.cumsum(matched)[:-1]])
    rates = (k + 1) / (np.arange(len(matched)) + 2)
    return list(np.cumprod(np.where(matched, rates / p0, (1 - rates) / (1 - p0))))


def interval(k, n):
    from scipy.stats import beta

    low = 0 if k == 0 else beta.ppf(0.025, k, n - k + 1)
    return [low, 1 if k == n else beta.ppf(0.975, k + 1, n - k)]


RIGHT = {
    "00.4": matched,
    "01.3": losses,
    "02.4": stamp_at,
    "03.4": as_photographs,
    "04.4": add_noise,
    "05.4": batches,
    "06.1": ask_all,
    "07.3": redraw,
    "08.3": follow,
    "09.4": prune_layers,
    "10.1": ask_twice,
    "11.3": guarded,
    "12.4": forge,
    "13.4": plan,
    "14.1": Mine,
    "A1.1": learner,
    "A2.4": interval,
}

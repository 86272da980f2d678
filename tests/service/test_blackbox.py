import threading

import numpy as np
import pytest
import torch
from faulty_service import brightest, some_images
from torch import nn

from wmlearn.service.blackbox import BlackBox


class Net(nn.Module):
    """Dropout, batch norm and weights: everything that evaluation mode changes."""

    def __init__(self, shape=(1, 2, 2), classes=4):
        super().__init__()
        self.input_shape = shape
        size = int(np.prod(shape))
        self.layers = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(size), nn.Dropout(0.5), nn.Linear(size, classes)
        )

    def forward(self, images):
        return self.layers(images)


@pytest.mark.parametrize("n", [0, 1, 1023, 1024, 1025, 2500])
def test_blackbox_answers_what_the_model_answers(n):
    model = Net().eval()
    images = some_images(n)
    suspect = BlackBox(model)
    labels = suspect(images)
    expected = model(torch.tensor(images)).argmax(1).numpy() if n else np.empty(0)
    assert labels.dtype == np.int64
    assert labels.shape == (n,)
    np.testing.assert_array_equal(labels, expected)
    assert (suspect.queries, suspect.refused) == (n, 0)


def test_blackbox_leaves_mode_weights_and_rng_alone():
    model = Net().train()
    model.layers[2].eval()  # a mode that is neither all training nor all evaluation
    modes = [part.training for part in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()
    images = some_images(50)
    labels = BlackBox(model)(images)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    np.testing.assert_array_equal(
        labels, BlackBox(model.eval())(images)
    )  # dropout was off, batch norm fixed


def test_blackbox_never_switches_the_mode_even_for_a_moment(says):
    modes = []

    class Spy(nn.Flatten):
        def train(self, mode=True):
            modes.append((id(self), mode))
            return super().train(mode)

        def forward(self, images):
            if len(images) == 3:
                raise RuntimeError("three is too many")
            return super().forward(images)

    model = Spy()
    BlackBox(model)(some_images(2))
    with says(ValueError):
        BlackBox(model)(some_images(3))
    assert model.training
    assert id(model) not in [who for who, _ in modes]


def test_blackbox_budget_gives_minus_one_and_counts():
    suspect = BlackBox(nn.Flatten(), budget=5)
    images = some_images(4)
    np.testing.assert_array_equal(suspect(images), brightest(images))
    np.testing.assert_array_equal(suspect(images), [brightest(images)[0], -1, -1, -1])
    np.testing.assert_array_equal(suspect(images), [-1] * 4)
    assert (suspect.queries, suspect.refused) == (5, 7)
    assert BlackBox(nn.Flatten(), budget=0)(images).tolist() == [-1] * 4


def test_blackbox_tells_scores_where_it_is_told_to():
    images, model = some_images(5), Net().eval()
    suspect = BlackBox(model, budget=3, scores=True)
    message = suspect.scores(images)
    with torch.no_grad():
        assert np.allclose(message[:3], model(torch.tensor(images[:3])).softmax(1).numpy())
    assert np.isnan(message[3:]).all()
    assert (message.dtype, suspect.queries, suspect.refused) == (np.float32, 3, 2)
    assert (suspect(images) == -1).all()


def test_blackbox_keeps_its_scores_to_itself_by_default(says):
    with says(ValueError):
        BlackBox(Net()).scores(some_images(1))
    with says(TypeError):
        BlackBox(Net(), scores="yes")


def test_blackbox_takes_read_only_and_noncontiguous_images():
    images = some_images(6)[::2]
    images.flags.writeable = False
    np.testing.assert_array_equal(BlackBox(nn.Flatten())(images), brightest(images))


def test_blackbox_shared_by_threads_counts_exactly():
    suspect = BlackBox(nn.Flatten(), budget=90)
    images = some_images(10)
    threads = [threading.Thread(target=suspect, args=(images,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (suspect.queries, suspect.refused) == (90, 30)


def test_blackbox_repr(says):
    suspect = BlackBox(Net())
    says(repr(suspect))
    suspect(some_images(1))
    says(repr(suspect))


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (np.zeros((2, 1, 2, 2), np.uint8), TypeError),
        (np.zeros((2, 2, 2), np.float32), ValueError),
        (np.full((2, 1, 2, 2), 2.0), ValueError),
        (np.full((2, 1, 2, 2), np.nan), ValueError),
        (np.zeros((2, 3, 2, 2)), ValueError),
    ],
    ids=["8 bits", "three axes", "above 1", "NaN", "three channels"],
)
def test_blackbox_bad_images(says, images, error):
    suspect = BlackBox(Net())
    with says(error):
        suspect(images)
    assert suspect.queries == 0


def test_blackbox_bad_models(says):
    class Marked:
        model = Net()

    with says(TypeError):
        BlackBox(Marked())
    with says(ValueError):
        BlackBox(nn.Identity())(some_images(2))
    with says(ValueError):
        BlackBox(Net(), budget=-1)


class Named(nn.Flatten):
    """A network whose outputs have names, none of them a known one."""

    def forward(self, images):
        return {"features": super().forward(images), "scores": super().forward(images[:, :, 1:])}


TORCHS_WORDS = r"(?<=failed on them: ).*(?=\. Check that)"


@pytest.mark.parametrize(
    ("model", "varies"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), TORCHS_WORDS),
        (nn.LSTM(2, 2), TORCHS_WORDS),
        (nn.Unflatten(1, (1, 1)), None),
        (Named(), None),
    ],
    ids=["first layer", "another kind of input", "no scores", "outputs without logits"],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_blackbox_says_that_a_network_of_ones_own_does_not_fit(says, model, varies):
    with says(ValueError, varies=varies) as caught:
        BlackBox(model)(some_images(2))
    assert "\n" not in str(caught.value)

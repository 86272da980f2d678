"""A margin around the triggers: they are pushed to where the network fails, and learnt there.

It was made to resist thieves who copy through the prediction API: what it is worth,
`docs/results/countermeasures.csv` and lesson 10 say.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from wmlearn._checks import Checked, check_count, check_number, checked
from wmlearn.evidence.trigger_set import Triggers
from wmlearn.training._inference import scores_of
from wmlearn.training.loop import Loss


@dataclass(frozen=True)
class Margin(Checked):
    """Embed triggers with a margin: they are pushed to where the network fails, and learnt there.

    Pass it to `embed`, as `wm.embed(model, data, triggers, margin=wm.watermarks.Margin())`.

    Parameters
    ----------
    images : how many triggers each step takes
    steps : how often each is pushed, one step of `size` at a time and never further than all of
        them together
    size : how far a push moves each pixel, in units of the full range 0 to 1

    Source
    ------
    Kim, Lee, Lee, Son, Hwang (2023), "Margin-based neural network watermarking", ICML; the defaults
    are theirs.
    """

    images: int = checked(check_count, 25, low=1, why="triggers in each step")
    steps: int = checked(check_count, 5, low=0, why="pushes; 0 learns them as they are")
    size: float = checked(check_number, 1 / 255, above=0, at_most=1)

    @torch.enable_grad()
    @torch.backends.cudnn.flags(enabled=False)  # has no slopes of recurrent layers at rest
    def push(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return images (n, c, h, w) moved uphill on the loss, towards another answer."""
        pushed = images.clone()
        for _ in range(self.steps):
            pushed.requires_grad_()
            loss = functional.cross_entropy(scores_of(model, pushed), labels)
            (uphill,) = torch.autograd.grad(loss, pushed)
            pushed = (pushed.detach() + self.size * uphill.sign()).clamp(0, 1)
        return pushed.detach()

    def loss(self, triggers: Triggers) -> Loss:
        """Return the loss of a batch of the task, with some of the triggers, pushed, beside it."""
        questions = torch.tensor(triggers.images, device="cpu")
        answers = torch.tensor(triggers.labels, device="cpu")

        def with_margin(
            model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
        ) -> Tensor:
            """Return the loss of the batch plus that of the pushed triggers."""
            order = torch.randperm(len(questions), generator=generator, device="cpu")
            chosen = order[: self.images]
            wanted = answers[chosen].to(labels.device)
            pushed = self.push(model.eval(), questions[chosen].to(images), wanted)
            scores = scores_of(model.train(), torch.cat([images, pushed]))
            task, secret = scores.split([len(images), len(pushed)])
            loss = functional.cross_entropy(task, labels)
            return loss + functional.cross_entropy(secret, wanted)

        return with_margin

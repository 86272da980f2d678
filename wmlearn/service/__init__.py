"""The black box: a network that shows its answers and nothing else, in this process or behind HTTP.

`blackbox` and `remote` are asked; `server` answers, by the Open Inference Protocol on both sides. A
client needs no torch.

Imports: ground, training.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

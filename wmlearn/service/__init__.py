"""The black box: a network that shows its answers and nothing else, in this process or behind HTTP.

`blackbox` and `remote` send queries, `server` answers them; all HTTP follows the Open Inference
Protocol. A client needs no torch.

Imports: ground, training.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)

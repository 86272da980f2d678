"""wmlearn: prove who owns a neural network.

A course in Jupyter notebooks and the thin package under it. Watermark a model, steal it, query what
the thief deploys, and read the evidence. Everything a lesson needs is in this one namespace::

    import wmlearn as wm

The names and their types are listed in `__init__.pyi`. Each is imported at its first use, so
`import wmlearn` is fast and loads neither torch nor matplotlib.
"""

from wmlearn._extras import MissingExtra as _MissingExtra
from wmlearn._extras import door as _door

_load, __dir__, __all__ = _door(__name__, __file__)


def __getattr__(name: str) -> object:
    """Return a name of the front door; without torch, shipped answers in place of models."""
    try:
        return _load(name)
    except _MissingExtra:
        if name not in ("load_model", "null_models"):
            raise
        from wmlearn import _answers

        return getattr(_answers, name)

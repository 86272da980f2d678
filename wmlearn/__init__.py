"""wmlearn: prove who owns a neural network.

A course in Jupyter notebooks and the thin package under it. Watermark a model, steal it, query what
the thief deploys, and read the evidence. Everything a lesson needs is in this one namespace::

    import wmlearn as wm

The names and their types are listed in `__init__.pyi`. Each is imported at its first use, so
`import wmlearn` is fast and loads neither torch nor matplotlib.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)

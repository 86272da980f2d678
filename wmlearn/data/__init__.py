"""Images with their labels, as a task in three parts: shipped, downloaded, or your own.

`splits` has the types and `load_data`; the private modules read shipped and downloaded files, and
check both by their SHA-256.

Imports: ground.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)

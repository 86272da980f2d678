"""Images with their labels, as a task in three parts: what ships, what is fetched, what is one's
own.

`splits` has the types and `load_data`; the private files read what ships and what others publish,
and know both by their SHA-256.

Imports: ground.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)

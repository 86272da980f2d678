"""Files that may be damaged: whatever goes wrong in reading one is told in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from wmlearn._checks import file_error


@contextmanager
def readable(expected: str, step: str) -> Iterator[None]:
    """Say what a file should be, and what to do next, if it cannot be read inside the block.

    Raises
    ------
    FileNotFoundError, OSError
        If there is no such file, or it holds something else.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"{expected} ({type(error).__name__}). {step}"
        raise file_error(error, text) from None

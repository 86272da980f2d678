from .content import Content
from .noise import Noise
from .trigger import Trigger
from .unrelated import Unrelated

__all__ = [
    "Content",
    "Noise",
    "Trigger",
    "Unrelated",
]

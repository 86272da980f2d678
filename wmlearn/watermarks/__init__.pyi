from .composite import Composite
from .dawn import Dawn
from .embedding import EarlyStopping, Marked, embed
from .margin import Margin
from .tilt import Tilt, Tilted, embed_tilt
from .whitebox import (
    Message,
    embed_message,
    judge_message,
    open_message,
    seal_message,
    verify_message,
)

__all__ = [
    "Composite",
    "Dawn",
    "EarlyStopping",
    "Margin",
    "Marked",
    "Message",
    "Tilt",
    "Tilted",
    "embed",
    "embed_message",
    "embed_tilt",
    "judge_message",
    "open_message",
    "seal_message",
    "verify_message",
]

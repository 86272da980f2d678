from .dawn import Dawn
from .embedding import EarlyStopping, Marked, embed
from .margin import Margin
from .whitebox import (
    Message,
    embed_message,
    judge_message,
    open_message,
    seal_message,
    verify_message,
)

__all__ = [
    "Dawn",
    "EarlyStopping",
    "Margin",
    "Marked",
    "Message",
    "embed",
    "embed_message",
    "judge_message",
    "open_message",
    "seal_message",
    "verify_message",
]

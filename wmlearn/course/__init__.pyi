from .checks import Feedback, check
from .tribunal import Card, Case, open_case, score_card

__all__ = [
    "Card",
    "Case",
    "Feedback",
    "check",
    "open_case",
    "score_card",
]

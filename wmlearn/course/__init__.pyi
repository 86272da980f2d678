from .checks import Feedback, check
from .gradebook import grades
from .journal import Progress, progress
from .tribunal import Card, Case, open_case, score_card

__all__ = [
    "Card",
    "Case",
    "Feedback",
    "Progress",
    "check",
    "grades",
    "open_case",
    "progress",
    "score_card",
]

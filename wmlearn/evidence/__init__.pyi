from . import stats
from .answers import Answers, ask
from .commitment import CLASSROOM_KEY
from .judging import challenge, judge
from .opening import Opening, open_questions, read_opening
from .storage import log_use, open_evidence, read_log, save_evidence
from .trigger_set import Triggers, TriggerSet
from .verdict import Verdict, Verdicts
from .verification import verify, verify_all

__all__ = [
    "Answers",
    "CLASSROOM_KEY",
    "Opening",
    "TriggerSet",
    "Triggers",
    "Verdict",
    "Verdicts",
    "ask",
    "challenge",
    "judge",
    "log_use",
    "open_evidence",
    "open_questions",
    "read_log",
    "read_opening",
    "save_evidence",
    "stats",
    "verify",
    "verify_all",
]

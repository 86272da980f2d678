from .answers import Answers, ask
from .judging import challenge, judge
from .opening import Opened, open_leaves, read_opened
from .storage import log_use, open_evidence, read_log, save_evidence
from .trigger_set import Triggers, TriggerSet
from .verdict import Verdict, Verdicts
from .verification import verify, verify_all

__all__ = [
    "Answers",
    "Opened",
    "TriggerSet",
    "Triggers",
    "Verdict",
    "Verdicts",
    "ask",
    "challenge",
    "judge",
    "log_use",
    "open_evidence",
    "open_leaves",
    "read_log",
    "read_opened",
    "save_evidence",
    "verify",
    "verify_all",
]

from . import court, stats
from .answers import Answers, ask
from .beacon import Beacon
from .calibration import Calibration, calibrate
from .commitment import CLASSROOM_KEY
from .judging import challenge, judge
from .log import Entry, log_head, log_use, read_log
from .opening import Opening, open_questions, read_opening
from .rules import Declared
from .sequential import SequentialTest
from .storage import open_evidence, save_evidence
from .tilt import TiltSet, judge_tilt, open_saved_tilt, open_tilt, save_tilt, verify_tilt
from .trigger_set import Sealed, Triggers, TriggerSet
from .verdict import Verdict, Verdicts
from .verification import verify, verify_all

__all__ = [
    "Answers",
    "Beacon",
    "CLASSROOM_KEY",
    "Calibration",
    "Declared",
    "Entry",
    "Opening",
    "Sealed",
    "SequentialTest",
    "TiltSet",
    "TriggerSet",
    "Triggers",
    "Verdict",
    "Verdicts",
    "ask",
    "calibrate",
    "challenge",
    "court",
    "judge",
    "judge_tilt",
    "log_head",
    "log_use",
    "open_evidence",
    "open_questions",
    "open_saved_tilt",
    "open_tilt",
    "read_log",
    "read_opening",
    "save_evidence",
    "save_tilt",
    "stats",
    "verify",
    "verify_all",
    "verify_tilt",
]

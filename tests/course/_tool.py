"""The lessons' tools as modules; tools/ is no package: its scripts import each other by name."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
import course as course  # noqa: E402
import editions as editions  # noqa: E402
import lite as lite  # noqa: E402

_spec = spec_from_file_location("lessons_tool", ROOT / "tools" / "lessons.py")
tool = module_from_spec(_spec)
_spec.loader.exec_module(tool)

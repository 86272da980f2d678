"""noxfile.py as a module, read once in a process: nox warns of a session that is read twice."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location("noxfile", Path(__file__).resolve().parents[2] / "noxfile.py")
NOXFILE = module_from_spec(_spec)
_spec.loader.exec_module(NOXFILE)

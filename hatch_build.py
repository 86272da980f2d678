"""Make the package's description from README: its links lead to the repository, for a page of the
package has no files beside it.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ReadmeHook(MetadataHookInterface):
    """Set the field `readme`, at the tag of this version; at `main` as long as it is none."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text("utf-8")
        place, version = metadata["urls"]["Repository"], metadata["version"]
        tag = f"v{version}" if re.fullmatch(r"[\d.]+", version) else "main"
        text = re.sub(r"(!\[[^\]]*\]\()(?!http)", rf"\1{place}/raw/{tag}/", text)
        text = re.sub(r"(\]\()(?!http|#)", rf"\1{place}/blob/{tag}/", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}

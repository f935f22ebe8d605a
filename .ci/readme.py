"""Print the commands of a named block of the README: ```sh name=tests ... ```."""

from __future__ import annotations

import re
import sys
from pathlib import Path

text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
blocks = dict(re.findall(r"^```sh name=(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
if sys.argv[1] not in blocks:
    sys.exit(f"README.md has no block {sys.argv[1]!r}; it has {', '.join(blocks)}")
print(blocks[sys.argv[1]], end="")

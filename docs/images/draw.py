"""Draw the pictures of docs/pictures.md by the page's own code: python docs/images/draw.py.

They are kept in 256 colours, which makes them small.
"""

from __future__ import annotations

import doctest
import os
import tempfile
from pathlib import Path

import matplotlib as mpl
from PIL import Image

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "pictures.md"
COLORS = 256


def draw() -> None:
    """Run the page in an empty folder, with the lines that tests leave out."""
    mpl.use("Agg")
    examples = doctest.DocTestParser().get_examples(PAGE.read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for example in examples:
            if not example.exc_msg:
                exec(example.source, names)
        for path in Path(folder).glob("*.png"):
            small = Image.open(path).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
            small.save(HERE / path.name, optimize=True)
        os.chdir(HERE)


if __name__ == "__main__":
    draw()

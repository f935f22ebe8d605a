"""matplotlib's SVG as a part of a page: nothing in it meets what another picture has."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

SVG: Final = "http://www.w3.org/2000/svg"
HREF: Final = "{http://www.w3.org/1999/xlink}href"
# what XML does not take, even escaped: a name could bring one
FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FAMILIES: Final = re.compile(r"'[^']*'(?:, *'[^']*')*, *(?=sans-serif)")
DIGITS: Final = re.compile(r"-?\d+\.\d{2,}")  # of a path: a tenth of a point is not seen
POINT: Final = 96.0 / 72.0  # pixels of a page
DROPPED: Final = ("metadata", "style")  # of the second, rules that all pictures share: in page.css


def inline(svg: str, key: str, label: str) -> str:
    """An SVG document as an element of a page.

    Parameters
    ----------
    svg : str
        As matplotlib writes it.
    key : str
        Comes before each identifier: another one for each picture of a page.
    label : str
        What it shows, for who does not see it.

    Returns
    -------
    str
        One ``svg`` element. Identifiers that nothing refers to are gone, and comments.
    """
    root = ElementTree.fromstring(FORBIDDEN.sub(" ", svg))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    for parent in root.iter():
        for child in [*parent]:
            if child.tag in {f"{{{SVG}}}{name}" for name in DROPPED}:
                parent.remove(child)
    for element in root.iter():
        _rewrite(element, key, used)
    width, height = (float(root.attrib[name].removesuffix("pt")) for name in ("width", "height"))
    root.attrib.pop("version", None)
    root.set("width", f"{POINT * width:.0f}")
    root.set("height", f"{POINT * height:.0f}")
    root.set("role", "img")
    root.set("aria-label", label)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _rewrite(element: ElementTree.Element, key: str, used: set[str]) -> None:
    """Identifiers and references with the key before them, and one font family."""
    own = element.attrib
    if HREF in own:
        own["href"] = own.pop(HREF)
    for name, value in [*own.items()]:
        if name == "id":
            if value in used:
                own["id"] = f"{key}-{value}"
            else:
                del own["id"]
        elif name == "href" and value.startswith("#"):
            own["href"] = f"#{key}-{value[1:]}"
        elif name == "d":
            own["d"] = DIGITS.sub(_rounded, " ".join(value.split()))
        elif "url(#" in value:
            own[name] = value.replace("url(#", f"url(#{key}-")
        elif name == "style":
            own["style"] = FAMILIES.sub("", value)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".rstrip("0").rstrip(".")

"""Models to report on, and a page as a reader of HTML sees it."""

from __future__ import annotations

import re
import warnings
from html import unescape
from html.parser import HTMLParser

import numpy as np

import ellimix as em

FAITHFUL, _ = em.datasets.faithful()
IRIS, _ = em.datasets.iris()

HOSTILE = (
    "<script>alert(1)</script>",
    "</style><b onclick=alert(1)>",
    "</svg><img src=x onerror=alert(1)>",
    "{{ 7*7 }} {% for x in y %}",
    "]]> <![CDATA[ <!-- -->",
    "\"quoted\" 'and' `ticked` onload=x",
    "x" * 10_000,
    "x" * 9_999 + "y",
    "two\nlines\ttab",
    "\x1b[31mred\x1b[0m\x07\x00\x0c",
    "🦊 fox 👩\u200d🔬 日本語",
    "\u202eright to left \ud800 lone",
    "price in $ & % $x$ _under",
    "javascript:alert(1) &lt; &amp; &#60;",
    "e\u0301" + "\u0301" * 5000,
    "",
    "   ",
)
ELEMENTS = {
    "a", "body", "code", "div", "figcaption", "figure", "h1", "h2", "h3", "head", "header", "html",
    "li", "link", "main", "meta", "nav", "p", "pre", "section", "style", "table", "tbody", "td",
    "caption", "th", "thead", "title", "tr", "ul",
    "clippath", "defs", "g", "image", "path", "rect", "svg", "text", "tspan", "use",
}  # fmt: skip


class Page(HTMLParser):
    """Elements, attributes, headings and words of a page.

    Attributes
    ----------
    elements : list of (str, dict)
    texts : dict of str
        The words of each section, by its anchor; "" is what is in none.
    tables : dict of list
        For each section, its tables: lists of rows of cells, the head first.
    """

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.source, self.elements, self.tables = text, [], {}
        self.parts, self.section, self.comments, self.declarations = {"": []}, "", [], []
        self.depth = {"section": 0}
        self.cell = None
        self.feed(text)
        self.close()
        self.texts = {key: " ".join(" ".join(part).split()) for key, part in self.parts.items()}

    @property
    def words(self):
        return " ".join(self.texts.values())

    def named(self, name):
        return [found for tag, found in self.elements if tag == name]

    def captions(self, kind):
        """Accessible names of tables or pictures."""
        return [found["aria-label"] for found in self.named(kind)]

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        assert len(found) == len(attrs)
        self.elements.append((tag, found))
        if tag == "section":
            self.depth["section"] += 1
            if "id" in found:
                self.section = found["id"]
                self.parts[self.section] = []
        if tag == "table":
            self.tables.setdefault(self.section, []).append([])
        if tag == "tr":
            self.tables[self.section][-1].append([])
        if tag in ("td", "th"):
            self.cell = []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[self.section][-1][-1].append("".join(self.cell))
            self.cell = None
        if tag == "section":
            self.depth["section"] -= 1
            if not self.depth["section"]:
                self.section = ""

    def handle_data(self, data):
        self.parts[self.section].append(data)
        if self.cell is not None:
            self.cell.append(data)

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_decl(self, decl):
        self.declarations.append(decl)

    def unknown_decl(self, data):
        self.declarations.append(data)


def code_of(page):
    """The blocks of code of a report."""
    blocks = re.findall(r"<code>(.*?)</code>", page.source, re.DOTALL)
    return [unescape(block) for block in blocks]


def page_of(model, X, **known):
    return Page(model.to_report(X, **known))


def named(mixture, names):
    return em.Mixture(
        mixture.parameters, mixture.family, tuple(names), mixture.box, mixture.n_held, mixture.rule
    )


def quietly(fit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit()


def holey(X=FAITHFUL, seed=0):
    rng = np.random.default_rng(seed)
    out = X.copy()
    out[rng.random(X.shape) < 0.15] = np.nan
    return out


def blobs(k, d, n=400, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.normal(0.0, 6.0, (k, d))
    return means[rng.integers(0, k, n)] + rng.normal(size=(n, d))


def weights(X=FAITHFUL):
    return np.random.default_rng(5).integers(0, 4, len(X)).astype(float)


def mixture_of(k=1, **options):
    return em.GaussianMixture(k, random_state=0, engine="numpy", **options)


# a model and its rows, with what else is known of them
MODELS = {
    "plain": lambda: (mixture_of(2, n_init=4).fit(FAITHFUL), FAITHFUL, {}),
    "one component": lambda: (mixture_of().fit(FAITHFUL), FAITHFUL, {}),
    "one feature": lambda: (mixture_of(2).fit(FAITHFUL[:, 1:]), FAITHFUL[:, 1:], {}),
    "one of each": lambda: (mixture_of().fit(FAITHFUL[:, :1]), FAITHFUL[:, :1], {}),
    "noise": lambda: (mixture_of(2, noise=True).fit(FAITHFUL), FAITHFUL, {}),
    "holes": lambda: (mixture_of(2).fit(holey()), holey(), {}),
    "weights": lambda: (
        mixture_of(2).fit(FAITHFUL, sample_weight=weights()),
        FAITHFUL,
        {"sample_weight": weights()},
    ),
    "many": lambda: (
        quietly(lambda: mixture_of(20, covariance_type="diag").fit(blobs(20, 6))),
        blobs(20, 6),
        {},
    ),
    "prior": lambda: (mixture_of(2, prior="default").fit(FAITHFUL), FAITHFUL, {}),
    "errors": lambda: (
        quietly(lambda: mixture_of(2).fit(FAITHFUL, errors=np.full(FAITHFUL.shape, 0.01))),
        FAITHFUL,
        {"errors": np.full(FAITHFUL.shape, 0.01)},
    ),
    "message length": lambda: (
        quietly(
            lambda: em.GaussianMixture("auto", criterion="mml", random_state=0).fit(FAITHFUL)
        ),
        FAITHFUL,
        {},
    ),
    "auto": lambda: (
        quietly(
            lambda: em.GaussianMixture(
                "auto", covariance_type="EEE", random_state=0, engine="numpy"
            ).fit(FAITHFUL)
        ),
        FAITHFUL,
        {},
    ),
    "search": lambda: (search(), FAITHFUL, {}),
    "bayes": lambda: (
        em.BayesianGaussianMixture(5, max_iter=500, random_state=0).fit(FAITHFUL),
        FAITHFUL,
        {},
    ),
    "bare": lambda: (
        em.GaussianMixture.from_mixture(mixture_of(2).fit(FAITHFUL).mixture_),
        FAITHFUL,
        {},
    ),
}  # fmt: skip


def search(X=FAITHFUL, families=("EEE", "VVV"), most=4, **options):
    return quietly(
        lambda: em.GaussianMixtureSearch(
            [*families], range(1, most + 1), random_state=0, engine="numpy", **options
        ).fit(X)
    )

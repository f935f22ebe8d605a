"""Text, HTML, LaTeX and Markdown say the same, whatever the names of the features are."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

import ellimix as em
from ellimix.errors import DataError
from ellimix.summary import names, numbers
from ellimix.summary.latex import escaped as latex_escaped
from ellimix.summary.markdown import escaped as markdown_escaped

FAITHFUL, _ = em.datasets.faithful()
HOSTILE = (
    "<script>alert(1)</script>",
    "a|b",
    "price in $ & %",
    "two\nlines",
    "\x1b[31mred\x1b[0m\x07\x00",
    "x" * 10_000,
    "x" * 9_999 + "y",
    "🦊 fox 👩\u200d🔬",
    "[link](http://e.example) ![i](j)",
    r"\input{x} ^_^ ~ #1 {",
    "\"quoted\" 'and' `ticked`",
    "\u202eright to left",
    "*bold* _under_ <!-- --> ]]>",
    "e\u0301" + "\u0301" * 5000,
    "日本語の列の名前がとても長い場合の例です",
    "\ud800 lone",
    "",
    "   ",
)


def summary_of(feature_names, k=2, seed=0, **options):
    d = len(feature_names)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, d)) + 4.0 * rng.integers(0, k, (200, 1))
    model = em.GaussianMixture(k, covariance_type="diag", random_state=0, **options).fit(X)
    mixture = em.Mixture(
        model.mixture_.parameters, model.mixture_.family, tuple(feature_names), model.mixture_.box
    )
    model.mixture_ = mixture
    return model.summary()


def formats(summary, **options):
    return {
        "text": summary.to_text(**options),
        "html": summary.to_html(**options),
        "latex": summary.to_latex(**options),
        "markdown": summary.to_markdown(**options),
    }


def shown(summary):
    """Every number of the dictionary as it is printed."""
    out = []
    rows = summary.rows
    out += [numbers.nats(v) for v in (rows.log_likelihood, rows.bic, rows.aic, rows.icl) if v]
    out += [numbers.entropy(rows.entropy), numbers.total(rows.uncertain), f"{rows.n_rows:,}"]
    out += [f"{summary.n_parameters:,}", f"{summary.fit.n_iter:,}"]
    out.append(f"{summary.fit.starts.agreed} of {summary.fit.starts.n}")
    out += [f"{100 * share:.1f}" for share in rows.missing if share > 0.001]
    for part in [*summary.components, *([summary.noise] if summary.noise else [])]:
        out += [numbers.share(part.weight), numbers.count(part.count)]
        out.append(numbers.count(part.assigned))
    for part in summary.components:
        out += [numbers.size(part.volume), numbers.size(part.condition)]
        out += map(numbers.spread, part.means, part.standard_deviations)
        if part.weight_interval is not None:
            out.append(numbers.interval(part.weight_interval))
            out += map(numbers.interval, part.mean_intervals)
    posterior = summary.posterior
    if posterior is not None:
        out += [numbers.nats(posterior.lower_bound), f"{posterior.effective:.2f}"]
        out.append(str(posterior.with_rows))
    return out


def holey():
    X = FAITHFUL.copy()
    X[::7, 0] = np.nan
    return X


MODELS = {
    "plain": lambda: em.GaussianMixture(2, n_init=3, random_state=0).fit(FAITHFUL),
    "noise": lambda: em.GaussianMixture(2, noise=True, n_init=2, random_state=0).fit(FAITHFUL),
    "holes": lambda: em.GaussianMixture(2, n_init=2, random_state=0).fit(holey()),
    "search": lambda: em.select(FAITHFUL, families="EEE", n_components=range(1, 5)),
    "bayes": lambda: em.BayesianGaussianMixture(2, n_init=2, random_state=0).fit(FAITHFUL),
}


@pytest.mark.parametrize("kind", MODELS)
def test_all_formats_say_all_numbers(kind):
    summary = MODELS[kind]().summary()
    found = formats(summary)
    escapes = {
        "text": str,
        "html": str,
        "latex": latex_escaped,
        "markdown": markdown_escaped,
    }
    wanted = shown(summary)
    assert len(wanted) > 20
    for name, text in found.items():
        flat = " ".join(text.split())
        for number in wanted:
            assert escapes[name](number) in flat, (name, number)
        assert "smaller is better" in flat or kind == "bayes"


def test_a_summary_prints_and_shows_in_a_notebook():
    summary = MODELS["plain"]().summary()
    assert str(summary) == repr(summary) == summary.to_text()
    assert summary._repr_html_() == summary.to_html()


# hostile names


def test_hostile_names_stay_apart_and_short():
    for most in (12, 24, 40, 60):
        found = names.distinct(HOSTILE, most)
        assert len(set(found)) == len(HOSTILE)
        for name in found:
            assert 0 < names.columns(name) <= most
            assert len(name) <= 4 * most
            assert all(ord(c) >= 32 and c not in "\x7f\u202e" for c in name)


def test_text_of_hostile_names():
    text = summary_of(HOSTILE).to_text(max_features=None)
    assert not set(text) & set(map(chr, [*range(10), *range(11, 32), 127, 0x202E, 0xD800]))
    assert all(names.columns(line) <= 80 for line in text.splitlines())
    text.encode("utf-8")


class Reader(HTMLParser):
    """Tags in order, which must be closed, and the text between them."""

    VOID = frozenset({"br", "hr", "img", "meta", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text, self.cells = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        assert tag not in self.VOID
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data

    def handle_comment(self, data):
        raise AssertionError("a comment")


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


def test_html_of_hostile_names():
    summary = summary_of(HOSTILE)
    reader = read(summary.to_html(style=False))
    allowed = {"section", "p", "table", "tbody", "thead", "tr", "th", "td", "div", "caption"}
    assert set(reader.tags) <= allowed | {"ul", "li"}
    assert {key for key, _ in reader.attributes} == {"class", "scope"}
    assert all(value.startswith("ellimix-") for key, value in reader.attributes if key == "class")
    for name in names.distinct(HOSTILE, 60):
        assert name in reader.cells
    styled = summary.to_html()
    assert "http" not in styled.replace("http://e.example", "")
    assert "url(" not in styled
    assert "@import" not in styled
    rules = re.findall(r"^\.?[^{}\n]+(?=\{)", styled.split("</style>")[0], re.M)
    assert rules
    assert all(".ellimix-summary" in rule for rule in rules)


def test_html_rows_are_as_long_as_the_head():
    html = MODELS["noise"]().summary().to_html(style=False)
    for grid in re.findall(r'<table class="ellimix-grid">.*?</table>', html, re.S):
        lengths = {
            len(re.findall(r"<t[hd]", row)) for row in re.findall(r"<tr>.*?</tr>", grid, re.S)
        }
        assert len(lengths) == 1


def test_markdown_of_hostile_names():
    text = summary_of(HOSTILE).to_markdown()
    table = [line for line in text.splitlines() if line.startswith("|")]
    width = None
    for line in table:
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        previous, width = width, cells
        assert cells in (2, 3, 6, 8)
        del previous
    assert "<script" not in text
    assert r"a\|b" in text
    assert r"\[link\](http://e.example)" in text
    assert not re.search(r"(?<!\\)[<>$`]", text.replace("&lt;", "").replace("&gt;", ""))


def check_latex(text):
    """Balanced braces and environments, no bare special character, rows as long as their table."""
    body = text.replace("% \\usepackage{booktabs}\n", "")
    bare = re.sub(r"\\[\\&%$#_{}]", "", body)
    assert "%" not in bare
    assert "#" not in bare
    assert "~" not in bare
    assert "^" not in bare
    assert "_" not in bare
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.replace("$\\pm$", "").replace("$-$", "").count("$") == 0
    assert text.isascii()
    commands = set(re.findall(r"\\([A-Za-z]+)", body))
    assert commands <= {
        "begin", "end", "toprule", "midrule", "bottomrule", "noindent", "textbf", "textit", "par",
        "medskip", "smallskip", "linewidth", "item", "ldots", "pm", "textbackslash",
        "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar",
    }  # fmt: skip
    for columns, inside in re.findall(
        r"\\begin\{tabular\}\{@\{\}(.*?)@\{\}\}\n(.*?)\\end\{tabular\}", body, re.S
    ):
        count = 2 if "linewidth" in columns else len(columns)
        for line in inside.splitlines():
            if line.startswith("\\") and line.endswith("rule"):
                continue
            assert line.endswith(r" \\")
            assert len(re.findall(r"(?<!\\)&", line)) == count - 1
            assert not line.startswith(("[", "*"))
    assert body.count(r"\begin{tabular}") == body.count(r"\end{tabular}") > 1


@pytest.mark.parametrize("kind", MODELS)
def test_latex_is_sound(kind):
    check_latex(MODELS[kind]().summary().to_latex())


def test_latex_of_hostile_names():
    text = summary_of(HOSTILE).to_latex()
    check_latex(text)
    assert "\\input{x}" not in text
    assert "U+1F98A" in text


def test_latex_keeps_the_letters_that_it_can_set():
    assert latex_escaped("Größe, café, Łódź, naïve") == "Größe, café, Łódź, naïve"
    assert latex_escaped("đ ą 日 ÷") == "U+0111 U+0105 U+65E5 U+00F7"
    assert latex_escaped('a "b" `c`') == "a {'}{'}b{'}{'} {`}c{`}"


def test_minus_signs_and_hyphens():
    assert latex_escaped("-3.5 and 1e-06 of x-1") == "$-$3.5 and 1e{-}06 of x{-}1"
    assert latex_escaped("[-1, -.5]") == "{[}$-$1, $-$.5{]}"


def test_warnings_with_hostile_names():
    """A sentence names features as the tables do."""
    text = names.sentence(
        "Column " + HOSTILE[5] + " is odd.\x1b[0m", HOSTILE, names.distinct(HOSTILE, 24)
    )
    assert len(text) < 100
    assert "\x1b" not in text


# wide tables


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_lines_keep_to_the_width(width):
    summary = summary_of([f"feature number {j}" for j in range(50)], k=20)
    text = summary.to_text(width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "38 features, along which components differ least" in " ".join(text.split())
    whole = summary.to_text(width, max_features=None, max_components=None)
    assert all(len(line) <= width for line in whole.splitlines())
    if width >= 80:
        flat = " ".join(whole.split())
        for part in summary.components:
            for spread in map(numbers.spread, part.means, part.standard_deviations):
                assert spread in flat
    assert len(text.splitlines()) < 250 or width < 80


def test_what_is_cut_is_the_least_telling():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 20))
    X[:150, [4, 11]] += 9.0
    model = em.GaussianMixture(2, covariance_type="diag", random_state=0).fit(X)
    text = model.summary().to_text(max_features=2)
    assert re.findall(r"^x\d+", text, re.M) == ["x4", "x11"]
    assert "18 features" in text
    cut = em.GaussianMixture(9, covariance_type="diag", random_state=0).fit(X).summary()
    rows = re.findall(r"^(\d) +0\.\d", cut.to_text(max_components=3), re.M)
    largest = sorted(sorted(cut.components, key=lambda c: -c.weight)[:3], key=lambda c: c.number)
    assert rows == [str(c.number) for c in largest]
    assert "6 components with the smallest weights" in cut.to_text(max_components=3)
    assert len(re.findall(r"^(\d) +0\.\d", cut.to_text(max_components=None), re.M)) == 9


def test_means_stand_beside_where_there_is_room():
    summary = MODELS["plain"]().summary()
    assert "Components, with means" in summary.to_text(120)
    assert "Means ± standard deviations, by component" in summary.to_text(80)


def test_bad_arguments():
    summary = MODELS["plain"]().summary()
    with pytest.raises(DataError, match="width is 10, expected at least 40"):
        summary.to_text(10)
    for write in (summary.to_text, summary.to_html, summary.to_latex, summary.to_markdown):
        with pytest.raises(DataError, match="max_features is 0"):
            write(max_features=0)


def test_numbers_out_of_range_are_shown_and_plain():
    model = em.GaussianMixture.from_parameters([1.0], [[1e300]], [1e-300], covariance_type="V")
    summary = model.summary(np.array([[-1e300]]))
    assert summary.to_dict()["rows"]["bic"] is None
    for text in formats(summary).values():
        assert "inf" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("encoding", ["OT1", "T1"])
def test_latex_compiles(encoding, tmp_path):
    letters = tuple(
        f"{chr(n)} x{n}" for n in (*range(0x21, 0x7F), *range(0xA1, 0x180)) if chr(n) != "\xad"
    )
    parts = [MODELS[kind]().summary().to_latex() for kind in MODELS]
    parts += [summary_of(HOSTILE).to_latex(), summary_of(letters).to_latex(max_features=None)]
    page = "\n\\clearpage\n".join(parts)
    text = (
        f"\\documentclass{{article}}\\usepackage[{encoding}]{{fontenc}}\\usepackage{{booktabs}}\n"
        f"\\begin{{document}}\n{page}\n\\end{{document}}\n"
    )
    (tmp_path / "summary.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    ran = subprocess.run(
        [*command, "summary.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "Missing character" not in ran.stdout
    assert (tmp_path / "summary.pdf").stat().st_size > 10_000

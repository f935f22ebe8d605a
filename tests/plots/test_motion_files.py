"""Films as files: their frames, how long they last, and what there is where one cannot be made."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

import ellimix as em
from ellimix.plots.motion import video
from motion_problems import ROWS, STUCK, eight_starts

PIL_Image = pytest.importorskip("PIL.Image")
imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
mpl.use("Agg")
FRAMES = 5


@pytest.fixture(scope="module")
def stuck():
    return eight_starts()


@pytest.fixture(scope="module")
def gif(stuck, tmp_path_factory):
    path = tmp_path_factory.mktemp("gif") / "em.gif"
    em.animate(stuck, ROWS, path, start=STUCK, frames=FRAMES, fps=4.0)
    return path


def test_a_gif_has_its_frames_and_stays_at_the_last(gif):
    with PIL_Image.open(gif) as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == FRAMES
        assert picture.info["loop"] == 0  # for ever
        durations = []
        for frame in range(picture.n_frames):
            picture.seek(frame)
            durations.append(picture.info["duration"])
    assert durations[:-1] == [250] * (FRAMES - 1)  # milliseconds
    assert durations[-1] == 250 + 2000


def test_frames_of_a_gif_differ_in_both_panels(gif):
    with PIL_Image.open(gif) as picture:
        shown = []
        for frame in (0, picture.n_frames - 1):
            picture.seek(frame)
            shown.append(np.asarray(picture.convert("RGB"), dtype=float))
    height, width, _ = shown[0].shape
    assert (width, height) == (1000, 420)
    changed = np.abs(shown[0] - shown[1]).max(axis=2) > 60.0
    body = changed[height // 6 : -height // 6]
    assert body[:, : width // 2].mean() > 0.01
    assert body[:, width // 2 :].sum() > 50


def test_figures_are_closed(gif):
    assert not pyplot.get_fignums()


def about(path):
    """What ffmpeg says of a film, and its frames."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo"]
    done = subprocess.run(
        [*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True, timeout=60
    )
    said = done.stderr.decode(errors="replace").split("Output #0")[0]
    return said, np.frombuffer(done.stdout, "u1").reshape(-1, 420, 1000, 3).astype(int)


@pytest.mark.parametrize("system", [True, False], ids=["the system's", "the package's"])
def test_a_video(stuck, tmp_path, monkeypatch, system):
    if system and shutil.which("ffmpeg") is None:
        pytest.skip("this machine has no ffmpeg")
    if not system:
        monkeypatch.setattr(video, "shutil", SimpleNamespace(which=lambda name: None))
        assert video.program() == imageio_ffmpeg.get_ffmpeg_exe()
    path = tmp_path / "em.mp4"
    em.animate(stuck, ROWS, path, start=STUCK, frames=FRAMES, fps=4.0)
    said, frames = about(path)
    assert re.search(r"Video: h264 .*yuv420p.* 1000x420.* 4 fps", said)
    assert len(frames) == FRAMES + 8  # the last stays for two seconds
    seconds = re.search(r"Duration: 00:00:([\d.]+)", said)[1]
    assert float(seconds) == pytest.approx(len(frames) / 4.0, abs=0.02)
    assert np.abs(frames[0] - frames[-1]).max() > 100
    assert np.abs(frames[-2] - frames[-1]).max() < 60  # but for compression


def test_a_film_is_there_whole_or_not_at_all(stuck, tmp_path, monkeypatch):
    path = tmp_path / "em.gif"
    path.write_bytes(b"an older film")
    from ellimix.plots import canvas

    draw, seen = canvas.draw, []

    def interrupted(*arguments):
        seen.append(None)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return draw(*arguments)

    monkeypatch.setattr(canvas, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        em.animate(stuck, ROWS, path, frames=FRAMES)
    assert path.read_bytes() == b"an older film"
    assert [file.name for file in tmp_path.iterdir()] == ["em.gif"]
    assert not pyplot.get_fignums()


def test_an_ffmpeg_that_fails(stuck, tmp_path, monkeypatch):
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\ncat > /dev/null\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(video, "shutil", SimpleNamespace(which=lambda name: str(broken)))
    with pytest.raises(em.errors.DataError, match="The film could not be written: ffmpeg"):
        em.animate(stuck, ROWS, tmp_path / "em.mp4", frames=2)
    assert [file.name for file in tmp_path.iterdir()] == ["ffmpeg"]


def test_without_any_ffmpeg_the_extra_is_named(stuck, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "shutil", SimpleNamespace(which=lambda name: None))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(em.MissingExtra, match=r"pip install 'ellimix\[video\]'"):
        em.animate(stuck, ROWS, tmp_path / "em.mp4", frames=2)


@pytest.mark.parametrize(
    ("package", "extra", "name"),
    [("matplotlib", "plots", "em.gif"), ("jinja2", "report", "em.html")],
)
def test_a_missing_package_names_its_extra(tmp_path, package, extra, name):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import ellimix as em\n"
        "X, _ = em.datasets.faithful()\n"
        f"try:\n    em.animate(em.GaussianMixture(2, random_state=0), X, {name!r})\n"
        f"except em.MissingExtra as error:\n    assert 'ellimix[{extra}]' in str(error), error\n"
        "else:\n    raise SystemExit('no error')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_page_is_written_without_matplotlib(tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import ellimix as em\n"
        "X, _ = em.datasets.faithful()\n"
        "em.animate(em.GaussianMixture(2, random_state=0), X, 'em.html')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "em.html").stat().st_size > 10_000

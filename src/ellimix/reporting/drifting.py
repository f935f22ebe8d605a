"""The section on a stream: how each batch fitted, and whether it drifted."""

from __future__ import annotations

from typing import Final

from ellimix.reporting.parts import Prose, Section, Table
from ellimix.reporting.streams import Batch, Stream
from ellimix.reporting.subject import Subject

MOST_BATCHES: Final = 50  # the last ones
HEAD: Final = (
    "batch", "rows", "step", "fit", "expected", "z", "misfits", "moved", "K", "events",
)  # fmt: skip


def drift(subject: Subject) -> Section | None:
    """How a stream went; None where the model followed none."""
    stream = subject.stream
    if stream is None or not stream.batches:
        return None
    shown = tuple(_line(batch, stream.limit) for batch in [*stream.batches][-MOST_BATCHES:])
    more = len(stream.batches) - len(shown)
    caption = (
        "Each batch: its mean log-density under the model before it, what that was to be, their "
        "difference z in standard errors, the share of rows that fit badly, and the largest step "
        f"of a mean in its standard deviations. * marks |z| above {stream.limit:.2f}."
    )
    caption += f" {more:,} earlier batches are not shown." if more else ""
    parts = Prose(_verdict(stream)), Table(caption, HEAD, shown, ("events",))
    return Section("drift", "Drift", parts)


def _verdict(stream: Stream) -> str:
    strange = [batch.number for batch in stream.strange]
    word = "The stream drifted" if stream.drifted else "There is no sign of drift"
    text = f"{word} over {len(stream.batches):,} batches: all z together are {stream.total:.1f}"
    if not strange:
        return f"{text}, and no batch is strange."
    named = ", ".join(map(str, strange[:MOST_BATCHES]))
    return f"{text}, and of the batches {named} {'are' if len(strange) > 1 else 'is'} strange."


def _line(batch: Batch, limit: float) -> tuple[str, ...]:
    mark = "*" if batch.z is not None and abs(batch.z) > limit else ""
    went = max((float(step) for step in batch.moved if step >= 0.0), default=0.0)  # NaN is not
    events = [f"{k} is born" for k in batch.births] + [f"{k} died" for k in batch.deaths]
    return (
        str(batch.number),
        f"{batch.rows:,}",
        f"{batch.step:.3f}",
        f"{batch.fit:.3f}",
        "-" if batch.expected is None else f"{batch.expected:.3f}",
        "-" if batch.z is None else f"{batch.z:.1f}{mark}",
        "-" if batch.misfits is None else f"{batch.misfits:.1%}",
        f"{went:.2f}",
        str(batch.components),
        ", ".join(events),
    )

"""Draw the results: ``python -m tests.reliability.figures docs/reliability`` (``make reliability``, ``make soak``)."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

ANSWERED, REFUSED, LOST = "#2a7f4f", "#d9a441", "#b3372f"


def draw_overload(results: dict[str, Any], path: Path) -> None:
    """Answers and refusals, waiting times of accepted requests, and memory, by offered load."""
    loads = results["loads"]
    times = [f"{load['times']:g}x" for load in loads]
    figure, (rates, waits, memory) = plt.subplots(1, 3, figsize=(13, 4))
    answered = [load["outcomes"]["200"] / sum(load["outcomes"].values()) * load["offered_per_s"] for load in loads]
    refused = [load["offered_per_s"] - one for load, one in zip(loads, answered, strict=True)]
    rates.bar(times, answered, color=ANSWERED, label="answered (200)")
    rates.bar(times, refused, bottom=answered, color=REFUSED, label="refused at once (429)")
    rates.set(title="Requests", xlabel="offered load / capacity", ylabel="requests / s")
    rates.legend(frameon=False)
    for name, style in (("p50", ":"), ("p90", "--"), ("p99", "-")):
        waits.plot(times, [load["wait_s"][name] for load in loads], style, color=ANSWERED, marker="o", label=name)
    over = [load for load in loads if load["times"] > 1]
    bounds = [(results["queued_rows"] + results["rows_per_request"]) / load["answered_rows_per_s"] for load in over]
    waits.plot(
        [f"{load['times']:g}x" for load in over], bounds, "_", ms=24, color=LOST, label="full queue / throughput"
    )
    waits.set(title="Wait of who is accepted", xlabel="offered load / capacity", ylabel="seconds", ylim=(0, None))
    waits.legend(frameon=False)
    low, high = zip(*(load["rss_mb"] for load in loads), strict=True)
    memory.fill_between(times, low, high, color=ANSWERED, alpha=0.3)
    memory.plot(times, high, color=ANSWERED)
    memory.set(title="Memory", xlabel="offered load / capacity", ylabel="MB", ylim=(0, 1.3 * max(high)))
    _save(figure, path)


def draw_soak(results: dict[str, Any], path: Path) -> None:
    """Memory and descriptors of each worker over the time."""
    figure, panels = plt.subplots(1, 2, figsize=(13, 4))
    for axes, name, scale, unit in zip(
        panels, ("rss", "descriptors"), (2**20, 1), ("memory / MB", "open descriptors"), strict=True
    ):
        for worker in sorted({sample["worker"] for sample in results["samples"]}):
            mine = [sample for sample in results["samples"] if sample["worker"] == worker]
            minutes = [sample["seconds"] / 60 for sample in mine]
            axes.plot(minutes, [sample[name] / scale for sample in mine], label=f"worker {worker + 1}")
        axes.set(xlabel="minutes", ylabel=unit, ylim=(0, None))
        axes.legend(frameon=False)
    counts = results["counts"]
    figure.suptitle(
        f"{results['minutes']:g} minutes: {counts['good answered']:,} good requests answered rightly, "
        f"{counts['spectra']:,} spectra, {counts['bad refused']:,} bad ones refused, "
        f"{counts['left early']:,} clients left early, {counts.get('reloads', 0)} reloads"
    )
    _save(figure, path)


def draw_faults(results: dict[str, Any], path: Path) -> None:
    """Answers during faults, and answers to hostile inputs."""
    figure, (faults, inputs) = plt.subplots(1, 2, figsize=(13, 4), width_ratios=(2, 1))
    names = [name for name, counts in results.items() if "answered" in counts]
    faults.barh(names, [results[name]["answered"] for name in names], color=ANSWERED, label="answered rightly")
    for row, name in enumerate(names):
        wrong = sum(count for kind, count in results[name].items() if kind.startswith("answered wrongly"))
        lost = results[name].get("connection lost", 0) + results[name].get("not accepted any more", 0)
        text = f"  {wrong} wrong, {lost} connections ended, p99 {results[name]['p99_s']:.2f} s"
        faults.text(results[name]["answered"], row, text, va="center", fontsize=9)
    faults.set(xlabel="requests", xlim=(0, 1.7 * max(results[name]["answered"] for name in names)))
    faults.invert_yaxis()
    faults.set_title("While it happens, six clients ask without pause")
    statuses = {status: count for status, count in results["hostile inputs"].items() if status.isdecimal()}
    order = sorted(statuses)
    inputs.bar(
        order, [statuses[status] for status in order], color=[ANSWERED if s == "200" else REFUSED for s in order]
    )
    inputs.set(xlabel="status", ylabel="inputs", title=f"{sum(statuses.values())} hostile inputs")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Draw every result there is in a folder."""
    folder = Path(sys.argv[1])
    for name, draw in (("overload", draw_overload), ("soak", draw_soak), ("faults", draw_faults)):
        path = folder / f"{name}.json"
        if path.exists():
            draw(json.loads(path.read_text()), folder / f"{name}.png")


if __name__ == "__main__":
    main()

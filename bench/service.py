"""The service's figures: `python -m bench.service [-o NAME]`, which writes NAME.json and NAME.md.

Inference with receipts against a bare endpoint, and a queue of ten thousand jobs. Jobs that are proved
together are in `bench.service_together`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench import service_infer, service_queue
from bench.keeping import keep, machine


def page(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    infer, queue = found["infer"], found["queue"]
    lines = [
        "# The service, measured",
        "",
        f"`python -m bench.service` on {found['machine']}; client and servers share the processors.",
        "",
        "## An answer with a receipt",
        "",
        "| | connections | requests | p50, ms | p99, ms | a second | processor time, us |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    names = {"bare": "bare FastAPI and onnxruntime", "verinfer": "`verinfer serve`"}
    keys = ("requests", *service_infer.FIGURES)
    for load in infer:
        for side, name in names.items():
            cells = [f"{load[side][key]:,}" for key in keys]
            lines.append(f"| {name} | {load['connections']} | " + " | ".join(cells) + " |")
        ratios = [str(load["ratios"][key]) for key in service_infer.FIGURES]
        lines.append(f"| ratio | {load['connections']} | | " + " | ".join(ratios) + " |")
    lines += [
        "",
        "## A long queue",
        "",
        "Median (longest) of 100 calls, in milliseconds; SQLite.",
        "",
    ]
    columns = [key for key in queue[0] if key not in ("queued", "server_rss_mb")]
    lines.append("| jobs waiting | " + " | ".join(columns) + " | server's memory, MB |")
    lines.append("|---:" * (len(columns) + 2) + "|")
    for row in queue:
        cells = [f"{row[key][0]} ({row[key][1]})" for key in columns]
        lines.append(f"| {row['queued']:,} | " + " | ".join(cells) + f" | {row['server_rss_mb']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, help="write NAME.json and NAME.md")
    given = parser.parse_args()
    found = {
        "machine": machine(),
        "infer": service_infer.measure(),
        "queue": service_queue.measure(),
    }
    text = page(found)
    print(text)
    if given.output is not None:
        keep(given.output, found, text)


if __name__ == "__main__":
    main()

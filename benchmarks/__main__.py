"""Every benchmark, one table each: `make bench`. `python -m benchmarks receive reconcile` runs only those named.

Says whether the budgets hold; its exit status says only whether everything could be measured.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator

from benchmarks import catch_up, due_index, end_to_end, fhirpath, receive, reconcile_cpu
from benchmarks.report import Row, show


def receive_rows() -> Iterator[Row]:
    found = receive.measure(seconds=3, rounds=3, connections=16)
    yield Row(
        what="notifications received and stored",
        measured=f"{found['receive_per_second']:,.0f} per second",
        floor=f"{found['bare_per_second']:,.0f} per second, an endpoint that only stores",
        ratio=found["ratio"],
        budget=f">= {receive.LEAST_RATIO}",
        holds=found["ratio"] >= receive.LEAST_RATIO,
    )
    longest = receive.LONGEST_P99 * 1000
    yield Row(
        what=f"answer at half load ({found['half_load_per_second']:,.0f} per second), p99",
        measured=f"{found['half_load_p99_ms']:.1f} ms (median {found['half_load_p50_ms']:.1f} ms)",
        budget=f"< {longest:.0f} ms",
        holds=found["half_load_p99_ms"] < longest,
    )


BENCHMARKS: dict[str, tuple[str, Callable[[], Iterable[Row]]]] = {
    "reconcile": ("Own processor time of a reconcile", reconcile_cpu.rows),
    "end-to-end": ("End to end on the sandbox FHIR server", end_to_end.rows),
    "catch-up": ("Catching up after an outage", catch_up.rows),
    "receive": ("Receiving notifications", receive_rows),
    "due-index": ("The index of due times", due_index.rows),
}


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in {*BENCHMARKS, "fhirpath"}]
    if unknown:
        print(
            f"No benchmark {', '.join(unknown)}. There are: {', '.join([*BENCHMARKS, 'fhirpath'])}.",
            file=sys.stderr,
        )
        return 2
    logging.disable(logging.WARNING)
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    print(
        f"{processors} processors, load {load:.1f} before the start. Beside other work, all but the ratios says little,"
    )
    print("and throughput ratios come out too low: client and server then share what is left.\n")
    verdicts = [_run(name) for name in BENCHMARKS if not wanted or name in wanted]
    if not wanted or "fhirpath" in wanted:
        print("Predicates of pathway files against hand-written Python")
        fhirpath.main()
    missed = [what for found in verdicts for what in found]
    print(
        "\nEvery budget holds."
        if not missed
        else "\nMissed on this machine, this time:\n" + "\n".join(missed)
    )
    return 0


def _run(name: str) -> list[str]:
    """Show one table; what missed its budget."""
    title, rows = BENCHMARKS[name]
    found = list(rows())
    show(title, found)
    print(flush=True)
    return [f"- {row.what}: {row.measured}, budget {row.budget}" for row in found if row.holds is False]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

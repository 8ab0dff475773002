"""How a run's cost grows: with its source, its storage, what it is given and gives back, and calls in calls.

Each point is the median of some runs in one executor process each; see `bench.work`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from bench.figures import CURVE, Results
from bench.stored_node import StoredNode
from bench.work import Executors, source_of

KIB = 1024
SOURCES = (1000, 4000, 8000, 16_000, 32_000, 49_000, 70_000, 100_000)
KEYS = (1, 10, 100, 1000, 10_000)
SIZES = (KIB, 32 * KIB, 256 * KIB, KIB * KIB, 8 * KIB * KIB)
DEPTHS = (0, 1, 2, 4, 8, 12)


def curves_ms(executors: Executors, times: int) -> Results:
    """`curve_NAME_X_ms` of every curve; the first run of a source is a curve of its own."""
    results: Results = {}

    def point(name: str, x: int, run: Callable[[], float]) -> None:
        results[f"{CURVE}{name}_{x}_ms"] = statistics.median(run() for _ in range(times))

    for size in SOURCES:
        node = StoredNode(source_of(size))
        firsts = [_wall(executors, StoredNode(source_of(size, salt)), "nothing") for salt in range(times)]
        results[f"{CURVE}first_run_of_source_bytes_{size}_ms"] = statistics.median(firsts)
        executors.run(node, "nothing")
        point("source_bytes", size, lambda node=node: _wall(executors, node, "nothing"))  # type: ignore[misc]
    for keys in KEYS:
        filled = StoredNode(source_of(1))
        executors.run(filled, "insert", keys)
        point("keys_in_storage", keys, lambda filled=filled: _wall(executors, filled, "put"))  # type: ignore[misc]
    small = StoredNode(source_of(1))
    curves: Sequence[tuple[str, Sequence[int], Callable[[int], float]]] = (
        ("calldata_bytes", SIZES, lambda size: _wall(executors, small, "take", bytes(size))),
        ("result_bytes", SIZES, lambda size: _wall(executors, small, "give", size)),
        ("calls_in_calls", DEPTHS, lambda depth: _wall(executors, small, "nest", depth)),
    )
    for name, values, run in curves:
        for x in values:
            point(name, x, lambda run=run, x=x: run(x))  # type: ignore[misc]
    return results


def _wall(executors: Executors, node: StoredNode, method: str, *arguments: int | bytes) -> float:
    return executors.run(node, method, *arguments).wall

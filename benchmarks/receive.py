"""Receiving against a bare endpoint that only does the same durable store, in one run, on one Redis-protocol server.

Budget: at least 60 % of the bare endpoint's throughput; p99 of an answer under 50 ms at half load. Run it with
`python -m benchmarks.receive`; exit status 1 when a budget is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uvicorn
from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry

from service.adapters.embedded import EmbeddedRedis
from service.adapters.redis_connection import Keys, connect_async
from service.adapters.redis_inbox import AsyncInbox
from service.app.web import create_app, server_options
from service.flow.receive import Limits, Watch

EXAMPLE = (
    Path(__file__).parents[1]
    / "tests/fhir/data/notifications/r4/full_resource_notification_bundle_example.json"
)
TOKEN, SECRET = "benchmark-token", "benchmark-secret"
LEAST_RATIO, LONGEST_P99 = 0.6, 0.050


# --- the two applications ---------------------------------------------------------------------------------------


def bare(redis_url: str):
    """One route, one XADD, 200: nothing is checked and nothing is said."""
    client = connect_async(redis_url)
    app = FastAPI(openapi_url=None)

    @app.post("/notifications/benchmark-token")
    async def store(request: Request) -> Response:
        body = await request.body()
        await client.xadd("bare", {"subscription": "bare", "method": "POST", "body": body})
        return Response(b"{}", media_type="application/fhir+json")

    return app


def receiving(redis_url: str):
    """The application as it is served, with a bell that nobody hears."""
    inbox = AsyncInbox(connect_async(redis_url), Keys(prefix="bench:"), ring=lambda: None)
    watch = Watch(name="encounters", token=TOKEN, secrets=(SECRET, "the secret before"))
    return create_app(watches={TOKEN: watch}, inbox=inbox, limits=Limits(), registry=CollectorRegistry())


def serve(which: str, port: int, redis_url: str) -> None:
    app = {"bare": bare, "receive": receiving}[which](redis_url)
    # The line per notification is written as in production, only nobody reads it.
    logging.basicConfig(level=logging.INFO, filename=os.devnull)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", **server_options())


# --- load -------------------------------------------------------------------------------------------------------


def request() -> bytes:
    body = EXAMPLE.read_bytes()
    head = (
        f"POST /notifications/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"unexpected answer: {head.splitlines()[0].decode()}")
    length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))


async def sender(port: int, ends: float, pause: float, took: list[float]) -> None:
    """One connection, one request at a time; `pause` seconds from one start to the next (0: at once)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    message = request()
    at = time.perf_counter()
    while at < ends:
        writer.write(message)
        await answered(reader)
        now = time.perf_counter()
        took.append(now - at)
        if pause:
            await asyncio.sleep(max(0.0, at + pause - now))
        at = time.perf_counter()
    writer.close()


async def load(port: int, seconds: float, connections: int, rate: float = 0) -> list[float]:
    """Seconds each answer took; `rate` per second over all connections, 0 as fast as answers come."""
    took: list[float] = []
    ends = time.perf_counter() + seconds
    pause = connections / rate if rate else 0
    await asyncio.gather(*(sender(port, ends, pause, took) for _ in range(connections)))
    return took


# --- measuring --------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(which: str, redis_url: str) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.receive", "--serve", which, str(port), redis_url]
    )
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"the {which} server did not start")


def p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def measure(seconds: float, rounds: int, connections: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as server:
        running = {which: started(which, server.url) for which in ("bare", "receive")}
        try:
            rates: dict[str, list[float]] = {which: [] for which in running}
            for _ in range(rounds):  # in turns, so that whatever else the machine does hits both
                for which, (_, port) in running.items():
                    rates[which].append(len(asyncio.run(load(port, seconds, connections))) / seconds)
            half = median(rates["receive"]) / 2
            took = asyncio.run(load(running["receive"][1], seconds, connections, half))
        finally:
            for process, _ in running.values():
                process.terminate()
                process.wait()
    bare_rate, ours = median(rates["bare"]), median(rates["receive"])
    return {
        "bare_per_second": round(bare_rate),
        "receive_per_second": round(ours),
        "ratio": round(ours / bare_rate, 3),
        "half_load_per_second": round(half),
        "half_load_p50_ms": round(median(took) * 1000, 2),
        "half_load_p99_ms": round(p99(took) * 1000, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--serve", nargs=3, metavar=("WHICH", "PORT", "REDIS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], int(options.serve[1]), options.serve[2])
        return 0
    result = measure(options.seconds, options.rounds, options.connections)
    print(json.dumps(result, indent=2))
    good = result["ratio"] >= LEAST_RATIO and result["half_load_p99_ms"] < LONGEST_P99 * 1000
    print("within budget" if good else "budget missed: at least 0.6 of bare, p99 under 50 ms at half load")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

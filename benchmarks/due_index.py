"""The index of due times with 100,000 people in it: size, claiming, cost per event, lateness: `python -m benchmarks.due_index`.

Lateness is measured on the real scheduler process and a real Celery worker, whose task only begins and gives back.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import redis

from benchmarks.report import Row, show
from service.adapters.embedded import EmbeddedRedis
from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_doorbell import Job, Queue
from service.adapters.redis_work_index import RedisWorkIndex
from service.app.settings import load_settings
from service.app.wiring import open_queue
from service.domain.vocabulary import Reference
from service.ports import Claim

FEW, MANY, DUE = 1_000, 100_000, 1_000
ROUNDS = 7
MOST_BYTES, MOST_LATE_SECONDS, MOST_GROWTH = 200, 2.0, 1.5
AN_HOUR = timedelta(hours=1)
WATCHED_SECONDS = 20
LATENESS = "bench:lateness"


def people(count: int, offset: int = 0) -> list[Reference]:
    """References as long as those of servers that number with UUIDs."""
    return [Reference(f"Patient/{UUID(int=offset + number)}") for number in range(count)]


def fill(client: redis.Redis, keys: Keys, count: int, first_at: datetime, over: timedelta) -> None:
    """`count` people due one after the other, evenly, from `first_at` on."""
    start, step = first_at.timestamp(), over.total_seconds() / count
    everybody = people(count)
    for begin in range(0, count, 5_000):
        scores = {p: start + n * step for n, p in enumerate(everybody[begin : begin + 5_000], begin)}
        client.zadd(keys.due, scores)


# --- size, claims, growth -----------------------------------------------------------------------------------------


def bytes_per_entry(client: redis.Redis, keys: Keys) -> float:
    size = client.execute_command("MEMORY", "USAGE", keys.due, "SAMPLES", "0")
    return float(size) / client.zcard(keys.due)


def claim_ms(client: redis.Redis, keys: Keys, now: datetime) -> tuple[float, float]:
    """Milliseconds to claim 1,000 who are due, and to read and note the same 1,000 in two plain commands."""
    index = RedisWorkIndex(client, keys, most_claimed=DUE)
    claiming, plain = [], []
    for _ in range(ROUNDS):
        client.delete(keys.claims)
        claiming.append(_ms(lambda: _all_claimed(index, now)))
        client.delete(keys.claims)
        plain.append(_ms(lambda: _plain_claim(client, keys, now)))
    client.delete(keys.claims)
    return median(claiming), median(plain)


def _all_claimed(index: RedisWorkIndex, now: datetime) -> None:
    assert len(index.claim(now, DUE)) == DUE


def _plain_claim(client: redis.Redis, keys: Keys, now: datetime) -> None:
    found: Any = client.zrange(keys.due, "-inf", now.timestamp(), byscore=True, offset=0, num=DUE)
    client.zadd(keys.claims, dict.fromkeys(found, time.time()))


def cycle_us(client: redis.Redis, keys: Keys, now: datetime) -> float:
    """Microseconds to wake, claim, begin and give back one person, whatever else is in the index."""
    index = RedisWorkIndex(client, keys)
    somebody = people(200, offset=10**9)
    later = now + 10 * AN_HOUR
    first = now - 10 * AN_HOUR  # before everybody else, so that this one is what is claimed

    def cycle() -> None:
        for person in somebody:
            index.wake([person], first)
            [claim] = index.claim(first, 1)
            index.finish(_begun(index, claim), later)

    took = median(_ms(cycle) for _ in range(ROUNDS)) / len(somebody) * 1e3
    client.zrem(keys.due, *somebody)
    return took


def _begun(index: RedisWorkIndex, claim: Claim) -> Claim:
    begun = index.begin(claim)
    assert begun is not None
    return begun


def _ms(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3


# --- lateness -----------------------------------------------------------------------------------------------------


def environment(redis_url: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("THROUGHLINE_")}
    # Nothing is asked of the record here: its address leads nowhere.
    return {
        **kept,
        "THROUGHLINE_REDIS_URL": redis_url,
        "THROUGHLINE_FHIR_BASE_URL": "http://127.0.0.1:9/fhir",
    }


def work(redis_url: str) -> None:
    """A worker whose only job is to note how late it was told; ends with its process."""
    with open_queue(load_settings(environment(redis_url))) as queue, connect(redis_url) as client:

        @queue.celery.task(name=Job.RECONCILE_PERSON.value, queue=Queue.PEOPLE.value)
        def reconcile_person(person: str, token: str) -> None:
            due = client.zscore(Keys().due, person)
            claim = queue.index.begin(Claim(person=Reference(person), token=token))
            if claim is not None and due is not None:
                client.rpush(LATENESS, repr(time.time() - due))
                queue.index.finish(claim, datetime.now(UTC) + 10 * AN_HOUR)

        queue.celery.Worker(
            pool="threads", concurrency=4, queues=[Queue.PEOPLE.value], loglevel="ERROR", quiet=True,
            without_mingle=True, without_gossip=True, without_heartbeat=True,
        ).start()  # fmt: skip


@contextmanager
def processes(redis_url: str) -> Iterator[None]:
    commands = ["-m", "benchmarks.due_index", "--work", redis_url], ["-m", "service.app.scheduler"]
    env = environment(redis_url) | {"THROUGHLINE_LOG_LEVEL": "ERROR"}
    quiet = subprocess.DEVNULL
    running = [
        subprocess.Popen([sys.executable, *command], env=env, stdout=quiet, stderr=quiet)
        for command in commands
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def lateness(client: redis.Redis, redis_url: str) -> list[float]:
    """Seconds from due time to the beginning of work: 100,000 due times spread over an hour, watched for a while."""
    client.flushall()
    with processes(redis_url):
        RedisWorkIndex(client, Keys()).wake(people(1, offset=10**9), datetime.now(UTC))
        while not client.llen(LATENESS):  # both processes have started
            time.sleep(0.1)
        fill(client, Keys(), MANY, datetime.now(UTC) + timedelta(seconds=1), AN_HOUR)
        time.sleep(1)
        client.delete(LATENESS)
        time.sleep(WATCHED_SECONDS)
        found: Any = client.lrange(LATENESS, 0, -1)
    return sorted(float(each) for each in found)


# --- the rows -----------------------------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis(Path(folder)) as server,
        connect(server.url) as client,
    ):
        yield from _rows(client, server.url)


def _rows(client: redis.Redis, redis_url: str) -> Iterator[Row]:
    now = datetime.now(UTC)
    few, many = Keys(prefix="few:"), Keys(prefix="many:")
    fill(client, few, FEW, now - timedelta(hours=0.01), AN_HOUR)
    fill(client, many, MANY, now - timedelta(hours=0.011), AN_HOUR)
    size = bytes_per_entry(client, many)
    yield Row(
        what=f"size of an entry among {MANY:,}",
        measured=f"{size:.0f} bytes",
        floor="44 bytes of reference, 8 of time",
        ratio=size / 52,
        budget=f"<= {MOST_BYTES} bytes",
        holds=size <= MOST_BYTES,
    )
    claiming, plain = claim_ms(client, many, now)
    yield Row(
        what=f"claim {DUE:,} who are due among {MANY:,}",
        measured=f"{claiming:.1f} ms",
        floor=f"{plain:.1f} ms to read and note them in two commands",
        ratio=claiming / plain,
    )
    small, large = cycle_us(client, few, now), cycle_us(client, many, now)
    yield Row(
        what=f"wake, claim, begin, give back one person among {MANY:,}",
        measured=f"{large:.0f} us",
        floor=f"{small:.0f} us among {FEW:,}",
        ratio=large / small,
        budget=f"ratio <= {MOST_GROWTH}",
        holds=large / small <= MOST_GROWTH,
    )
    late = lateness(client, redis_url)
    p99 = late[int(len(late) * 0.99)]
    yield Row(
        what=f"from due time to work begun, p99 ({len(late)} of {MANY:,} due times spread over an hour)",
        measured=f"{p99:.2f} s (median {median(late):.2f} s)",
        floor="0.5 s between two looks",
        ratio=p99 / 0.5,
        budget=f"< {MOST_LATE_SECONDS:.0f} s",
        holds=p99 < MOST_LATE_SECONDS,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2])
    else:
        show("The index of due times", rows())

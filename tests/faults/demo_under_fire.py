"""The demonstration's story told while its processes are killed (SIGKILL); whatever supervises them brings them back.

The story itself is told as in the demonstration: nobody in it knows of the fire, and it must end as if there were none.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import cast

import httpx
from rich.console import Console

from service.adapters.embedded_process import EmbeddedServer
from service.app.demo.ending import check_ending
from service.app.demo.story import Story
from service.app.demo.timeline import Timeline
from service.app.demo.world import World, open_world
from service.flow.catch_up import MARK
from service.ports import InboxUnavailable
from tests.processes import eventually, free_port

OURS = ("web", "worker", "scheduler")
REDIS, FHIR = "Redis server", "FHIR server"
ASKED = "asked for by the test"
BURNS_FOR = 1.5
"""Seconds of work under random fire in each scene before the first moment of calm."""


@dataclass
class Fire:
    """Who has been hit how often; while `held`, nobody is."""

    world: World
    hits: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def hit(self, victim: str) -> bool:
        """Kill as a crash would, if it runs at the moment."""
        with self.lock:
            pid = self._pid(victim)
            if pid is None:
                return False
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.hits[victim] += 1
            return True

    def _pid(self, victim: str) -> int | None:
        supervisor = self.world.installation.supervisor
        server = supervisor.servers.get(victim)
        if server is None:
            return supervisor.pid(victim)
        return cast("EmbeddedServer", server).pid if server.is_alive() else None

    def everybody_is_back(self) -> bool:
        if any(self._pid(victim) is None for victim in (*OURS, REDIS, FHIR)):
            return False
        try:
            pages = (f"{self.world.installation.web_url}/livez", f"{self.world.fhir.base_url}/metadata")
            answers = [httpx.get(page, timeout=5.0, trust_env=False).status_code for page in pages]
            return answers == [200, 200] and self.world.queue.inbox.size() >= 0
        except (httpx.HTTPError, InboxUnavailable):
            return False


@dataclass(frozen=True, kw_only=True)
class BurningWorld(World):
    """A world that is settled when it rests, everybody is back, and a catch-up has found what nobody was told of.

    A FHIR server whose notifications found nobody waits before it sends them again, so every later one may be late.
    """

    fire: list[Fire] = field(default_factory=list)
    when_settling: Callable[[], object] = lambda: None

    def settle(self) -> None:
        self.when_settling()
        [fire] = self.fire
        with fire.lock:  # a moment of calm
            if fire.hits:
                eventually(fire.everybody_is_back)
                self._catch_up()
            super().settle()

    def _catch_up(self) -> None:
        """One that begins now, as the scheduler asks for every few seconds; each leaves its mark at its end."""
        eventually(self._ring)
        eventually(lambda: self.queue.watermarks.get(MARK) != ASKED)

    def _ring(self) -> bool:
        """Once no other is under way."""
        try:
            self.queue.watermarks.set(MARK, ASKED)
            return self.queue.doorbell.catch_up_is_due()
        except InboxUnavailable:
            return False


def tell_under_fire(
    state_dir: Path,
    *,
    at_each_scene: str | None = None,
    while_it_works: str | None = None,
    at_random: tuple[int, tuple[str, ...]] | None = None,
) -> tuple[list[str], Counter[str]]:
    """Tell the story; what was not as it should be in the end, and who was hit how often.

    `at_each_scene`: killed before each. `while_it_works`: killed each time Throughline has begun to work, since the
    clinic could not write either without it. `at_random`: (seed, victims), killed at any moment.
    """
    said: list[str] = []
    with open_world(state_dir, said.append, port=free_port()) as world:
        world.installation.supervisor.longest_pause = 0.5  # the story is short, and so is our patience
        fire = Fire(world=world)
        scene, over = [""], Event()

        def burn_once_a_scene() -> None:
            if not scene[0]:
                return
            scene[0] = ""
            if while_it_works:
                assert fire.hit(while_it_works)
            if at_random:
                over.wait(BURNS_FOR)

        def begins(name: str) -> None:
            scene[0] = name
            if at_each_scene:
                eventually(lambda: fire.hit(at_each_scene))

        burning = BurningWorld(**vars(world), fire=[fire], when_settling=burn_once_a_scene)
        story = Story(world=burning, timeline=Timeline(Console(file=StringIO())), meanwhile=begins)
        with _killer(fire, at_random, over):
            story.play()
        burning.settle()
        wrong = [f"{what}: {found}" for right, what, found in check_ending(story) if not right]
        letters = [letter.reason for letter in world.queue.dead_letters.list()]
        return wrong + letters, fire.hits


@contextmanager
def _killer(fire: Fire, at_random: tuple[int, tuple[str, ...]] | None, over: Event) -> Iterator[None]:
    if at_random is None:
        yield
        return
    seed, victims = at_random
    dice = Random(seed)

    def kill() -> None:
        while True:
            for victim in dice.sample(victims, len(victims)):
                if over.wait(dice.uniform(0.3, 1.2)):
                    return
                fire.hit(victim)

    thread = Thread(target=kill, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

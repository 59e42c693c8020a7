"""Rings Celery workers. Work is found without it too, by the scheduler's next look; a ring only makes it sooner.

Carries references and tokens, never the content of a notification or of the record.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any

import redis
from kombu.exceptions import OperationalError

from service.adapters.redis_connection import NO_ANSWER, Keys, told
from service.ports import Claim, InboxUnavailable


class Job(StrEnum):
    """Celery task names."""

    TAKE_IN = "throughline.take_in"
    RECONCILE_PERSON = "throughline.reconcile_person"
    CATCH_UP = "throughline.catch_up"


class Queue(StrEnum):
    """Celery queues: a sweep of the whole record never waits behind people, nor people behind it."""

    INBOX = "inbox"
    PEOPLE = "people"
    CATCH_UP = "catch-up"


QUEUE_OF = {Job.TAKE_IN: Queue.INBOX, Job.RECONCILE_PERSON: Queue.PEOPLE, Job.CATCH_UP: Queue.CATCH_UP}

INBOX_BELL = "inbox"
CATCH_UP_BELL = "catch-up"
INBOX_BELL_STAYS = timedelta(seconds=30)
CATCH_UP_BELL_STAYS = timedelta(seconds=20)
"""Until a worker comes. A message that is lost on its way, because Redis dies just then, keeps others away no longer."""
CATCH_UP_RUNS = timedelta(seconds=30)
"""Whoever runs one says so again and again; when they die, others may ring after this."""


class RedisDoorbell:
    """ports.Doorbell, and the bell of the catch-up. `celery` is a celery.Celery, used for `send_task` only."""

    def __init__(self, client: redis.Redis, keys: Keys, celery: Any) -> None:
        self._client: Any = client
        self._keys = keys
        self._celery = celery
        self._left_rung: set[str] = set()
        """Bells that could not be answered because Redis was away; answered at the next opportunity."""

    def inbox_has_mail(self) -> None:
        """Rings unless somebody has rung and no worker has come yet."""
        if self._set(INBOX_BELL, INBOX_BELL_STAYS):
            self.ring_inbox()

    def ring_inbox(self) -> None:
        """Rings although the bell is set already: for whoever set it in the same breath as the notification."""
        self._publish(Job.TAKE_IN, bell=INBOX_BELL)

    def person_is_due(self, claim: Claim) -> None:
        self._publish(Job.RECONCILE_PERSON, str(claim.person), claim.token)

    def catch_up_is_due(self, *, every: timedelta | None = None) -> bool:
        """Rings unless a catch-up waits or runs, or any scheduler has rung within `every`; whether it rang.

        Each pace is kept by itself: one that has just been asked for once a minute may be asked for sooner again.
        """
        if every is not None and not self._set(f"{CATCH_UP_BELL}-paced-{every.total_seconds():g}", every):
            return False
        rings = self._set(CATCH_UP_BELL, CATCH_UP_BELL_STAYS)
        if rings:
            self._publish(Job.CATCH_UP, bell=CATCH_UP_BELL)
        return rings

    def answer_inbox(self) -> None:
        """To be called before the inbox is read: whatever comes in from now on rings again."""
        self._answer(INBOX_BELL)

    def catch_up_has_begun(self) -> None:
        """To be called when a catch-up begins, and again well within CATCH_UP_RUNS while it runs."""
        with told():
            self._client.set(self._keys.bell(CATCH_UP_BELL), b"1", px=CATCH_UP_RUNS)

    def answer_catch_up(self) -> None:
        """To be called when a catch-up has ended, well or not."""
        self._answer(CATCH_UP_BELL)

    def _answer(self, *bells: str) -> None:
        """These bells, and those that could not be answered before."""
        self._left_rung.update(bells)
        owed = tuple(self._left_rung)
        with told():
            self._client.delete(*(self._keys.bell(bell) for bell in owed))
        self._left_rung.difference_update(owed)

    def _set(self, bell: str, stays: timedelta) -> bool:
        if self._left_rung:
            self._answer()
        with told():
            return bool(self._client.set(self._keys.bell(bell), b"1", nx=True, px=stays))

    def _publish(self, job: Job, *arguments: str, bell: str | None = None) -> None:
        try:
            with told():
                self._celery.send_task(job.value, args=list(arguments), queue=QUEUE_OF[job].value)
        except (OperationalError, InboxUnavailable) as failure:
            # The bell must not look rung when no message went out; should this fail too, it is answered later.
            if bell is not None:
                with suppress(InboxUnavailable):
                    self._answer(bell)
            raise InboxUnavailable(NO_ANSWER) from failure

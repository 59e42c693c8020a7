"""Opens our subscriptions on the record server of the settings, for whoever asks by hand; and the topics one can ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.adapters.waiting import wait_until
from service.app.listening_report import Heard, Listening
from service.app.settings import Settings
from service.app.subscription_files import read_watching
from service.app.subscription_servers import Server
from service.app.subscriptions import Action, Step, Subscriptions
from service.app.web_process import installation_keys
from service.app.wiring import make_clock, open_queue, open_server
from service.fhir.subscription_marks import known_mark
from service.fhir.subscription_server import SubscriptionServer
from service.fhir.subscription_topics import BASIC_CODE, Topic, is_offered, topics_of
from service.flow.listen import state_of
from service.flow.send_canary import canary_state
from service.ports import (
    FhirRecord,
    InboxUnavailable,
    RecordFailure,
    RecordUnavailable,
    Search,
    Watermarks,
)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Our subscriptions, what is known of the server, and what it says about subscriptions itself."""

    ours: Subscriptions
    server: Server | None
    asked: SubscriptionServer
    marks: Watermarks
    """Where it is remembered what stands where; forgets everything while Redis does not answer."""

    @property
    def tells(self) -> bool:
        """Whether this kind of server sends notifications at all."""
        return self.server is None or self.server.tells


@contextmanager
def open_subscriptions(settings: Settings, *, reading_only: bool = False) -> Iterator[Opened]:
    """Our subscriptions on the record server of the settings. Nothing is wanted of a server that tells nothing."""
    public_url, keys = settings.need("public_url"), installation_keys(settings)
    watching = read_watching(settings.subscriptions, settings.fhir_server)
    tells = watching.server is None or watching.server.tells
    below = watching.server.made_at if watching.server else ""
    with ExitStack() as stack:
        server = stack.enter_context(open_server(settings, reading_only=reading_only, below=below))
        queue = stack.enter_context(open_queue(settings)) if settings.redis_url else None
        marks: Watermarks = _Forgiving(queue.watermarks if queue else NeverHeard())
        ours = Subscriptions(
            record=server.record,
            wanted=watching.wanted if tells else (),
            public_url=public_url,
            keys=keys,
            now=make_clock(settings).now,
            known=lambda name: marks.get(known_mark(name)),
        )
        yield Opened(ours=ours, server=watching.server, asked=server.subscriptions, marks=marks)


def applied(opened: Opened, *, wait: timedelta) -> list[Step]:
    """Apply, and wait up to `wait` until the server has activated what it took: 201 alone proves nothing."""
    steps = opened.ours.apply()
    for step in steps:
        if step.reference is not None and step.action is not Action.TURN_OFF:
            opened.marks.set(known_mark(step.name), step.reference)

    def are_settled() -> bool:
        steps[:] = opened.ours.look_again(steps)
        return all(step.status != "requested" for step in steps)

    if wait > timedelta() and any(step.status == "requested" for step in steps):
        wait_until(are_settled, within=wait.total_seconds(), every=0.5)
    return steps


def subscription_states(settings: Settings) -> Listening:
    """How each subscription stands now; what was heard, and the canary, stand in Redis."""
    with open_queue(settings) as queue, open_subscriptions(settings, reading_only=True) as opened:
        return states_of(opened, queue.watermarks, queue.clock.now())


def states_of(opened: Opened, marks: Watermarks, now: datetime) -> Listening:
    """The same report that a worker leaves, made now from what the server shows."""
    looks = [look for look in opened.ours.looks() if look.step.action is not Action.TURN_OFF]
    heard = {}
    for look in looks:
        state = state_of(look.step.name, look.kept, marks, now)
        wrong = look.step.why if look.found is not None else ()
        heard[state.name] = Heard(
            hearing=state.hearing,
            status=state.status,
            says=tuple(dict.fromkeys((*wrong, *state.says))),
            heard_at=state.heard_at,
        )
    is_sent = any(look.asked.wanted.canary and look.step.status == "active" for look in looks)
    return Listening(at=now, subscriptions=heard, canary=canary_state(marks, now, is_sent=is_sent))


# --- topics


def offered_topics(settings: Settings) -> list[Topic]:
    """What the server says one can subscribe to; empty where it says nothing."""
    with open_server(settings, reading_only=True) as server:
        return discovered(server.record, server.subscriptions)


def discovered(record: FhirRecord, asked: SubscriptionServer) -> list[Topic]:
    """All three ways of saying it, because servers choose. RecordUnavailable when the server does not answer."""
    found = [asked.capability_statement()]
    for search in (
        Search(kind="Basic", params=(("code", BASIC_CODE),)),
        Search(kind="SubscriptionTopic", params=()),
    ):
        try:
            found += record.search(search)
        except RecordUnavailable:
            raise
        except RecordFailure:
            continue  # a server of another version, or one that keeps its topics elsewhere
    return topics_of(found)


def not_offered(opened: Opened) -> Iterable[str]:
    """A sentence for each topic that is wanted and that the server does not list, where it lists any."""
    wanted = [each for each in opened.ours.wanted if each.flavour.by_topic]
    topics = discovered(opened.ours.record, opened.asked) if wanted else []
    for each in wanted:
        if topics and not is_offered(each.topic, topics):
            yield (
                f"{each.name}: the server does not list the topic {each.topic};"
                " `throughline subscriptions topics` shows those it lists"
            )


class NeverHeard(Watermarks):
    """Stands in for what is remembered while there is no Redis: then only the server can be asked."""

    def get(self, name: str) -> str | None:  # noqa: ARG002
        return None

    def set(self, name: str, value: str) -> None:
        """Nothing can be remembered."""


class _Forgiving(Watermarks):
    """What is remembered only helps here: a Redis that does not answer must not keep anybody from subscribing."""

    def __init__(self, marks: Watermarks) -> None:
        self._marks = marks

    def get(self, name: str) -> str | None:
        try:
            return self._marks.get(name)
        except InboxUnavailable:
            return None

    def set(self, name: str, value: str) -> None:
        with suppress(InboxUnavailable):
            self._marks.set(name, value)

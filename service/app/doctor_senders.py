"""What `doctor` says about the senders of messages: whether their list can be read, and when each was heard of last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from service.app.findings import Finding, Outcome
from service.app.sender_files import FILE, SendersProblem
from service.fhir.messages.content import Sender
from service.fhir.subscription_marks import heard_mark, sender_mark

Marks = Callable[[str], str | None]


def sender_findings(
    senders: Callable[[], tuple[Sender, ...]],
    mark: Marks,
    now: datetime,
    unchecked: Callable[[Sequence[Sender]], str] = lambda _: "",
) -> Iterator[Finding]:
    """One finding for each sender; nothing where nobody may send. `mark` gives what the workers remember.

    `unchecked`: what is wrong with how certificates are checked, empty when nothing is.
    """
    try:
        known = senders()
    except SendersProblem as problem:
        many = len(problem.problems)
        yield Finding(
            about="senders",
            outcome=Outcome.BAD,
            sentence=f"{FILE} has {many} mistake{'s' if many > 1 else ''}: web, worker and mllp do not start with it.",
            remedy="`throughline senders` shows every one with its place.",
        )
        return
    if wrong := unchecked(known):
        yield Finding(about="senders", outcome=Outcome.BAD, sentence=wrong, remedy=AUTHORITY)
    for sender in known:
        yield _heard_of(sender.name, mark(heard_mark(sender_mark(sender.name))), now)


def _heard_of(name: str, heard: str | None, now: datetime) -> Finding:
    if heard is None:
        return Finding(
            about="senders",
            outcome=Outcome.CARE,
            sentence=f"No message of {name} has been taken in yet.",
            remedy="Check that it sends here, with its token (`throughline senders --tokens`) or its MSH-3 and MSH-4.",
        )
    at = datetime.fromisoformat(heard).astimezone(now.tzinfo)
    return Finding(
        about="senders",
        outcome=Outcome.GOOD,
        sentence=f"The last message of {name} was taken in at {at:%Y-%m-%d %H:%M}.",
    )


# --- wording ----------------------------------------------------------------------------------------------------

AUTHORITY = "Set it to the authority that signs your senders' certificates; until then `throughline mllp` does not start."

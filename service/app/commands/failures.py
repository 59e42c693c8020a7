"""Which failure ends a command with which status. Imports every part that can fail, so it is imported last."""

from __future__ import annotations

from service.adapters.clocks import ClockFileProblem
from service.adapters.embedded import EmbeddedServerFailed
from service.adapters.trial_redis import NoPassword
from service.app.bundle_file import NoSuchFile, NotUsable
from service.app.by_hand import NotNamedRight
from service.app.demo.failing import StoryFailed
from service.app.exits import Exit
from service.app.listening import CannotListen
from service.app.mllp_process import NobodySends
from service.app.sender_files import SendersProblem
from service.app.settings import SettingsProblem
from service.app.simulation import DoesNotSettle
from service.app.state_folder import StateFolderProblem
from service.app.subscription_files import SubscriptionsProblem
from service.app.up import DidNotStart
from service.app.wiring import MappingsProblem
from service.domain.owners import NoAccountablePerson
from service.pathways.publish import CannotPublish
from service.ports import InboxUnavailable, RecordFailure

FAILURES: tuple[tuple[type[Exception], Exit], ...] = (
    (SettingsProblem, Exit.SETTINGS),
    (ClockFileProblem, Exit.SETTINGS),
    (NoPassword, Exit.SETTINGS),
    (MappingsProblem, Exit.MAPPINGS),
    (SubscriptionsProblem, Exit.MAPPINGS),
    (SendersProblem, Exit.MAPPINGS),
    (NobodySends, Exit.MAPPINGS),
    (NotNamedRight, Exit.NOT_FOUND),
    (NoSuchFile, Exit.NOT_FOUND),
    (NotUsable, Exit.NOT_AS_IT_SHOULD_BE),
    (NoAccountablePerson, Exit.SETTINGS),
    (RecordFailure, Exit.FHIR_SERVER),
    (InboxUnavailable, Exit.REDIS),
    (EmbeddedServerFailed, Exit.NOT_STARTED),
    (DidNotStart, Exit.NOT_STARTED),
    (CannotListen, Exit.NOT_STARTED),
    (StateFolderProblem, Exit.NOT_STARTED),
    (StoryFailed, Exit.NOT_AS_IT_SHOULD_BE),
    (CannotPublish, Exit.NOT_AS_IT_SHOULD_BE),
    (DoesNotSettle, Exit.NOT_AS_IT_SHOULD_BE),
)
"""Which failure ends with which status. Anything else is ours to fix and shows its traceback."""

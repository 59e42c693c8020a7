"""Exit codes of `throughline`. A number keeps its meaning for ever; a retired one stays here as a comment."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the exit status of the command line says."""

    OK = 0
    NOT_AS_IT_SHOULD_BE = 1
    """The command worked; what it looked at is not as it should be (problems found, a story that ended wrongly)."""
    USAGE = 2
    """The command line itself is wrong (set by the command-line library)."""
    SETTINGS = 3
    """A setting is missing or cannot be used."""
    FHIR_SERVER = 4
    """The FHIR server cannot be reached or refuses."""
    REDIS = 5
    """The Redis server cannot be reached."""
    MAPPINGS = 6
    """No usable pathway: the files have errors."""
    NOT_STARTED = 7
    """A process or an embedded server did not start."""
    NOT_FOUND = 8
    """What was named does not exist."""
    INTERRUPTED = 130
    """Ctrl-C."""


MEANING = {
    Exit.OK: "as it should be",
    Exit.NOT_AS_IT_SHOULD_BE: "it worked, but what it looked at is not as it should be",
    Exit.USAGE: "the command line is wrong",
    Exit.SETTINGS: "a setting is missing or cannot be used",
    Exit.FHIR_SERVER: "the FHIR server cannot be reached or refuses",
    Exit.REDIS: "Redis cannot be reached",
    Exit.MAPPINGS: "the mappings, subscriptions or senders have errors",
    Exit.NOT_STARTED: "a process or server did not start",
    Exit.NOT_FOUND: "what was named does not exist",
    Exit.INTERRUPTED: "ended by Ctrl-C",
}
"""For people, as `throughline --help` shows them."""

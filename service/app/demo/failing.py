"""How a demonstration can fail other than by a wrong ending."""

from __future__ import annotations


class StoryFailed(Exception):
    """Use this when the story cannot be played to its end; says where it stopped and what to read."""

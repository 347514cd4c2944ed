"""Questions of `adr new` in a terminal; Enter accepts what is proposed. Without a terminal nothing is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ..arch.config import ArchitectureConfig
from ..decisions.bases import default_base
from ..decisions.new import Draft, base_of, proposed_alternatives
from ..errors import ArchwrightError, Problem, UsageError
from .common import pairs

Made = TypeVar("Made")


def ask_for(draft: Draft, root: Path, asked: bool) -> Draft:
    """The draft with what a person at a terminal answered; the end of the input accepts what is proposed from there."""
    if not asked or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return draft
    try:
        title = draft.title
        while not title:
            title = _ask("What is decided, in a few words")
        draft = replace(draft, title=title)
        config: ArchitectureConfig | None = None
        while config is None:
            base = draft.base or _ask("Base architecture (- for none)", default_base(root) or "-")
            if base == "-":
                return replace(draft, base="-")
            config = _valid(_architecture, base, root)
            draft = replace(draft, base=base if config is not None else None)
        while not draft.decision:
            answer = _ask("What changes, FIELD=VALUE ... (Enter: nothing)")
            if not answer:
                return draft
            decision = _valid(_change, config, answer)
            draft = replace(draft, decision=decision or {})
        proposed = proposed_alternatives(config, draft.decision)
        while draft.alternatives is None:
            answer = _ask("Alternatives, NAME:FIELD=VALUE ... (- for none)", ", ".join(proposed) or "-")
            if answer == (", ".join(proposed) or "-"):
                return draft
            found = {} if answer == "-" else _valid(_alternatives, config, answer)
            draft = replace(draft, alternatives=found)
    except EOFError:
        print()
    return draft


def alternatives_of(words: list[str]) -> dict[str, dict[str, Any]]:
    """NAME:FIELD=VALUE words as alternatives; several of one name are one alternative."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        name, colon, change = word.partition(":")
        if not colon:
            raise UsageError(Problem("--alternative", word, "is not NAME:FIELD=VALUE", "Write mha:n_kv_heads=32"))
        found.setdefault(name, {}).update(pairs([change], "--alternative"))
    return found


def _architecture(base: str, root: Path) -> ArchitectureConfig | None:
    return base_of(base, root)[1]


def _alternatives(config: ArchitectureConfig, words: str) -> dict[str, dict[str, Any]]:
    found = alternatives_of(words.split())
    for change in found.values():
        config.change(change)
    return found


def _change(config: ArchitectureConfig, words: str) -> dict[str, Any]:
    change = pairs(words.split(), "--change")
    config.change(change)
    return change


def _valid(make: Callable[..., Made], *given: Any) -> Made | None:
    """What a function gives, or nothing after its problems were printed."""
    try:
        return make(*given)
    except ArchwrightError as error:
        print(error)
        return None


def _ask(question: str, proposed: str = "") -> str:
    tail = f" [{proposed}]" if proposed else ""
    return input(f"{question}{tail}: ").strip() or proposed

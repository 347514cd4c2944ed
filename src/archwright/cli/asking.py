"""Questions of `adr new` in a terminal; Enter accepts what is proposed. Without a terminal nothing is asked."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..decisions.new import Draft, default_base
from ..errors import ArchwrightError
from .common import pairs


def ask_for(draft: Draft, root: Path, asked: bool) -> Draft:
    """The draft with what a person at a terminal answered."""
    if not asked or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return draft
    try:
        title = draft.title or _ask("Title", "")
        base = draft.base or _ask("Base architecture (empty: none)", default_base(root) or "")
        decision = dict(draft.decision)
        while base and not decision:
            answer = _ask("What changes, FIELD=VALUE (empty: nothing)", "")
            if not answer:
                break
            decision = _changes(answer)
    except EOFError:
        return draft
    return replace(draft, title=title, base=base or None, decision=decision)


def _changes(answer: str) -> dict[str, Any]:
    try:
        return pairs([word.strip() for word in answer.split(" ") if word.strip()], "a change")
    except ArchwrightError as error:
        print(error)
        return {}


def _ask(question: str, proposed: str) -> str:
    tail = f" [{proposed}]" if proposed else ""
    return input(f"{question}{tail}: ").strip() or proposed

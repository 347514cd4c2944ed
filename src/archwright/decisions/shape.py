"""The shape of our front matter: which keys hold maps, strings and names; meaning is checked elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from archwright.errors import NOTHING, Location, Problem

RESERVED = ("base", "decision", "settings", "requirement")
"""Names that an alternative or a claims entry may not have: labels use them for something else."""
CHANGE_KEYS = ("change", "settings", "base", "note")
"""The keys of the long form of a change; a map with other keys is the change itself."""
_KNOWN = (
    "status", "date", "authors", "base", "decision", "alternatives", "settings", "claims", "proxy", "decided_on",
    "superseded-by", "supersedes", "amended-by", "amends", "title",
)  # fmt: skip
_OFTEN = re.compile(
    r"parent|nav_order|layout|permalink|tags?|deciders|consulted|informed|id|number|type|category|categories|description"
    r"|decision-makers|decision-date|created|updated|author|reviewers|components?|model|source|notes?|license"
    r"|superseded_by|amended_by|supersededBy"
)
_NAME = re.compile(r"[a-z](?:[a-z0-9_-]*[a-z0-9_])?")

Where = Callable[..., Location]


def check_shape(data: dict[str, Any], where: Where) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The values of our keys, each empty where it has the wrong shape, and what is wrong; `where(*keys)` is a place."""
    problems: list[Problem] = []

    def text(key: str, example: str) -> str | None:
        value = data.get(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        problems.append(Problem(key, value, "must be a text", f"write {example}", where(key)))
        return None

    shaped: dict[str, Any] = {
        "base": text("base", "base: architecture.yaml"),
        "decision": _change(data.get("decision"), ("decision",), where, problems),
        "alternatives": {},
        "settings": _settings(data.get("settings"), ("settings",), where, problems),
        "claims": {},
        "proxy": text("proxy", "proxy: architectures/small.yaml"),
        "decided_on": text("decided_on", "decided_on: <fingerprint>, or leave it to archwright adr accept"),
    }
    alternatives = data.get("alternatives")
    if alternatives is not None and not isinstance(alternatives, dict):
        remedy = "write alternatives: {mqa: {n_kv_heads: 1}}"
        problems.append(
            Problem("alternatives", alternatives, "must be a map from names to changes", remedy, where("alternatives"))
        )
    elif alternatives:
        for name, value in alternatives.items():
            if _name(name, "alternatives", where, problems):
                change = _change(value, ("alternatives", name), where, problems)
                if change is not None:
                    shaped["alternatives"][name] = change
    claims = data.get("claims")
    if claims is not None and not isinstance(claims, dict):
        remedy = "write claims: {mmlu: {eval: mmlu/acc}}"
        problems.append(Problem("claims", claims, "must be a map from names to entries", remedy, where("claims")))
    elif claims:
        for name, value in claims.items():
            if _name(name, "claims", where, problems):
                _claim(name, value, where, problems, shaped["claims"])
    _unknown_keys(data, where, problems)
    return shaped, tuple(problems)


def _name(name: object, owner: str, where: Where, problems: list[Problem]) -> bool:
    if isinstance(name, str) and name not in RESERVED and _NAME.fullmatch(name):
        return True
    place = where(owner, name)
    if not isinstance(name, str):
        problems.append(Problem(owner, name, "a name must be a text", f'write "{name}" in letters', place))
    elif name in RESERVED:
        rule = f"the name is reserved: {', '.join(RESERVED)} mean something in labels"
        problems.append(Problem(owner, name, rule, f"choose another, {name}-1 for example", place))
    else:
        rule = "a name is lower case, begins with a letter, has letters, digits, _ and -, and does not end in -"
        fixed = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_0123456789") or "other"
        problems.append(Problem(owner, name, rule, f"write {fixed}", place))
    return False


def _change(value: Any, keys: tuple[str, ...], where: Where, problems: list[Problem]) -> dict[str, Any] | None:
    """A change in its short or long form, as written; None where it is absent or has the wrong shape."""
    if value is None and keys == ("decision",):
        return None
    owner = ".".join(keys)
    if not isinstance(value, dict):
        problems.append(
            Problem(owner, value, "must be a map from fields to values", "write {n_kv_heads: 8}", where(*keys))
        )
        return None
    before = len(problems)
    for key in value:
        if not isinstance(key, str) or not key:
            problems.append(Problem(owner, key, "a field must be a text", "write n_kv_heads: 8", where(*keys, key)))
    if any(key in CHANGE_KEYS for key in value):
        for key in value:
            if isinstance(key, str) and key and key not in CHANGE_KEYS:
                rule = f"stands beside {', '.join(k for k in CHANGE_KEYS if k in value)}, where fields go under change"
                problems.append(
                    Problem(f"{owner}.{key}", NOTHING, rule, f"write change: {{{key}: ...}}", where(*keys, key))
                )
        change = value.get("change")
        if change is not None and not isinstance(change, dict):
            rule = "must be a map from fields to values"
            problems.append(
                Problem(f"{owner}.change", change, rule, "write change: {n_kv_heads: 8}", where(*keys, "change"))
            )
        _settings(value.get("settings"), (*keys, "settings"), where, problems)
        for key in ("base", "note"):
            if value.get(key) is not None and not isinstance(value[key], str):
                problems.append(Problem(f"{owner}.{key}", value[key], "must be a text", "quote it", where(*keys, key)))
    return value if len(problems) == before else None


def _settings(value: Any, keys: tuple[str, ...], where: Where, problems: list[Problem]) -> dict[str, Any]:
    if value is None:
        return {}
    owner = ".".join(keys)
    if not isinstance(value, dict):
        remedy = "write settings: {context: 32768, dtype: bf16}"
        problems.append(Problem(owner, value, "must be a map from names to values", remedy, where(*keys)))
        return {}
    sound: dict[str, Any] = {}
    for key, entry in value.items():
        if not isinstance(key, str):
            problems.append(Problem(owner, key, "a setting's name must be a text", "quote it", where(*keys, key)))
        elif isinstance(entry, (dict, list)) or entry is None:
            rule = "must be one value" if entry is not None else "has no value"
            problems.append(Problem(f"{owner}.{key}", entry, rule, f"write {key}: and a value", where(*keys, key)))
        else:
            sound[key] = entry
    return sound


def _claim(name: str, value: Any, where: Where, problems: list[Problem], sound: dict[str, Any]) -> None:
    if isinstance(value, str) and value.strip():
        sound[name] = value
    elif isinstance(value, dict) and value:
        odd = [key for key in value if not isinstance(key, str)]
        for key in odd:
            problems.append(
                Problem(f"claims.{name}", key, "a key must be a text", "quote it", where("claims", name, key))
            )
        if not odd:
            sound[name] = value
    else:
        remedy = f"write {name}: weights, or {name}: {{metric: weights}}"
        problems.append(
            Problem(f"claims.{name}", value, "must be a metric's name or a map", remedy, where("claims", name))
        )


def _unknown_keys(data: dict[str, Any], where: Where, problems: list[Problem]) -> None:
    for key in data:
        if not isinstance(key, str) or key in _KNOWN or _OFTEN.fullmatch(key):
            continue
        from archwright.errors import nearest

        hit = nearest(key, _KNOWN)
        if hit and hit != "title":
            problems.append(Problem(key, NOTHING, "is no key of a record", f"did you mean {hit}?", where(key)))

"""Status words: what the value of a status line or section means, and which records it names."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from archwright.decisions.references import Reference, chain

Status = Literal["proposed", "accepted", "rejected", "deprecated", "superseded", "unknown"]

WORDS: dict[str, Status] = {
    **dict.fromkeys(("proposed", "draft", "pending", "in review", "under review", "decision proposed"), "proposed"),
    **dict.fromkeys(("accepted", "approved", "adopted", "agreed", "decided", "implemented", "final"), "accepted"),
    **dict.fromkeys(("rejected", "declined"), "rejected"),
    **dict.fromkeys(("deprecated", "depreciated", "obsolete", "retired"), "deprecated"),
    **dict.fromkeys(("superseded", "superceded", "superseeded", "replaced"), "superseded"),
}
"""The words that count, lower case, and the status each means. Everything else is unknown."""

_ALTERNATIVES = "|".join(sorted((w.replace(" ", r"[\s-]+") for w in WORDS), key=len, reverse=True))
_FIRST = re.compile(rf"[\W\d_]*({_ALTERNATIVES})(?![^\W_])", re.I)
_ANY = re.compile(rf"(?<![^\W_])({_ALTERNATIVES})(?![^\W_])", re.I)
_PARTIAL = re.compile(r"[\W_]*(?:partly|partially|partial|part|in\s+part)\b", re.I)
_PARTIAL_BEFORE = re.compile(r"(?:partly|partially|partial|in\s+part)\W*$", re.I)
_PARTIAL_AFTER = re.compile(r"\W*(?:in\s+part|partly|partially|some\s+(?:aspects|parts)|(?:a\s+)?parts?\s+of)\b", re.I)
_NOISE = re.compile(r"~~[^~\n]*~~|</?[a-zA-Z](?![^<>\n]{0,300}\.md)[^<>\n]*>|\[ \][^\n]*")
_TARGETS = re.compile(r"\]\([^()\s]*\)")
_BY = re.compile(r"(?:supers?[ec]+e?ded|replaced)[\s_*-]+(in\s+part\s+|partly\s+|partially\s+)?(?:by|with)\b", re.I)
_ES = re.compile(r"(?:super[sc]e+des|replaces)\b", re.I)
_AMENDED_BY = re.compile(r"(?:amended|extended|refined|clarified|updated)[\s_*-]+by\b", re.I)
_AMENDS = re.compile(r"(?:amends|extends|refines|clarifies|updates)\b", re.I)
_CLAUSE = re.compile(
    r"(?:^|[.,;:(/|–—]|\s-+\s|\b(?:and|but))\s*(?:(?:now|later|then|since|was|is|has|been)\s+)*[\s*_`\"'\[({]*$", re.I
)
_STARTS = re.compile(
    r"[\s>*_`\"'+-]*(?:(?:supers?[ec]+e?ded|replaced|amended|extended|refined|clarified|updated)[\s_*-]+(?:in\s+part\s+)?by\b"
    r"|super[sc]e+des\b|replaces\b|amends\b|extends\b|refines\b|clarifies\b|updates\b)",
    re.I,
)


class Reading(NamedTuple):
    """What a status value says.

    `start` and `end` bound the words that give the status (with a mark like a bracket or link around them left out);
    both are 0 where no word is known. References carry offsets in the value.
    """

    status: Status
    start: int
    end: int
    superseded_by: tuple[Reference, ...] = ()
    supersedes: tuple[Reference, ...] = ()
    amended_by: tuple[Reference, ...] = ()
    amends: tuple[Reference, ...] = ()


NOT_READ = Reading("unknown", 0, 0)


def starts_link(text: str) -> bool:
    """Whether a line begins with "Superseded by", "Supersedes", "Amended by" or another word that links records."""
    return _STARTS.match(text) is not None


def read_status(value: str) -> Reading:
    """The meaning of one status value, "Accepted (#12)" or "superseded by ADR-0003"; offsets as in `value`.

    >>> read_status("Accepted, superseded by [ADR-7](0007-x.md)").status
    'superseded'
    >>> read_status("[proposed | accepted]").status, read_status("Partly superseded").status
    ('unknown', 'unknown')
    """
    plain = _NOISE.sub(lambda m: " " * len(m[0]), value) if "~" in value or "<" in value or "[ ]" in value else value
    found = _FIRST.match(plain)
    if len(plain) < 24 and found and not plain[found.end() :].strip():  # "Accepted", as nearly always
        return Reading(_word(found[1]), found.start(1), found.end(1))
    links = read_links(plain)
    if _PARTIAL.match(plain) or is_choice(plain):
        return NOT_READ
    status: Status = "unknown"
    start = end = 0
    if found:
        start, end = found.span(1)
        status = _word(found[1])
        if status == "superseded" and (_PARTIAL_AFTER.match(plain, end) or _partly_after(plain, links)):
            return NOT_READ
    if links.superseded_by or (status != "unknown" and links.status == "superseded"):
        status = "superseded"
    return links._replace(status=status, start=start, end=end)


def read_links(value: str, first_only: bool = False) -> Reading:
    """The records that a status value names; `first_only`: only what stands at its beginning counts."""
    lists: dict[str, tuple[Reference, ...]] = {}
    status: Status = "unknown"
    at = 0
    while at < len(value):
        hits = [
            (m, name)
            for name, pattern in (
                ("superseded_by", _BY),
                ("supersedes", _ES),
                ("amended_by", _AMENDED_BY),
                ("amends", _AMENDS),
            )
            if (m := pattern.search(value, at))
        ]
        if not hits:
            break
        hit, name = min(hits, key=lambda h: h[0].start())
        if first_only and value[: hit.start()].strip(" \t\n>*_`\"'+-"):
            break
        at = hit.end()
        before = value[max(0, hit.start() - 30) : hit.start()]
        if not _CLAUSE.search(before if hit.start() <= 30 else "x" + before):
            continue
        partial = (
            _PARTIAL_BEFORE.search(before) or (name == "superseded_by" and hit[1]) or _PARTIAL_AFTER.match(value, at)
        )
        references, end = chain(value, at)
        if name in ("superseded_by", "supersedes"):
            if partial or _PARTIAL_AFTER.match(value, end):
                at = max(at, end)
                continue
            if name == "superseded_by":
                status = "superseded"
        lists[name] = lists.get(name, ()) + tuple(references)
        at = max(at, end)
        if name in ("amended_by", "amends"):
            # What follows in the sentence tells about the amendment: "Amended by X: the wording is superseded by ...".
            stop = value.find(". ", at)
            at = len(value) if stop < 0 else stop + 1
        if first_only:
            break
    return Reading(status, 0, 0, **lists)


def _partly_after(value: str, links: Reading) -> bool:
    rest = value[links.superseded_by[-1].end :] if links.superseded_by else value
    return re.match(r"[\s(,]*(?:in\s+part|partly|partially)\b", rest, re.I) is not None


def is_choice(value: str) -> bool:
    """Whether a value is a template's list of choices left in: `[proposed | accepted]`, `Draft/Final`."""
    if "|" not in value and "/" not in value and "," not in value and " or " not in value:
        return False
    bare = _TARGETS.sub("]", value)
    parts = re.split(r"[|/]", bare)
    if len(parts) > 1:
        said = [_word(m[1]) for p in parts if (m := _FIRST.match(p))]
        distinct = set(said)
        if len(distinct) > 2 or (len(distinct) == 2 and not _BY.search(bare)):
            return True
    words = [_word(m[1]) for m in _ANY.finditer(bare)]
    rest = re.findall(r"[^\W\d_]+", _ANY.sub(" ", bare).lower().partition(" by")[0])
    return len(set(words)) > 2 and all(word in ("or", "and", "the", "one", "of") for word in rest)


def _word(text: str) -> Status:
    return WORDS[" ".join(text.lower().replace("-", " ").split())]

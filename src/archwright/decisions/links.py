"""The graph of supersession over a set of records: what each link means, and every link that cannot be followed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archwright.decisions.heads import Link
from archwright.decisions.names import stem_of
from archwright.decisions.record import Record


@dataclass(frozen=True, slots=True)
class LinkIssue:
    """One thing wrong with numbers or links: a stable code, its place, what it is and one remedy.

    Codes: duplicate-number, ambiguous-link, broken-link, one-sided-link, supersede-cycle.
    """

    code: str
    path: str
    line: int
    column: int
    message: str
    remedy: str


class Graph:
    """Records with their links resolved; `successors` and `predecessors` map paths to records.

    A link to a record that is not in the set is broken: give it whole folders.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.records: tuple[Record, ...] = tuple(r for r in records if r.is_record)
        self.by_path: dict[str, Record] = {r.path: r for r in self.records}
        self._numbers: dict[str, list[Record]] = {}
        self._stems: dict[str, list[Record]] = {}
        for record in self.records:
            if record.number is not None:
                self._numbers.setdefault(record.number, []).append(record)
            self._stems.setdefault(record.stem.lower(), []).append(record)
        self.successors: dict[str, list[Record]] = {}
        self.predecessors: dict[str, list[Record]] = {}
        self._broken: list[tuple[Record, Link, list[Record]]] = []
        for record in self.records:
            for link in record.links:
                self._follow(record, link)

    def _follow(self, record: Record, link: Link) -> None:
        candidates = self.candidates(link, record)
        if len(candidates) != 1:
            self._broken.append((record, link, candidates))
            return
        other = candidates[0]
        if link.kind == "superseded_by":
            _add(self.successors, record, other)
        elif link.kind == "supersedes":
            _add(self.predecessors, record, other)

    def candidates(self, link: Link, source: Record) -> list[Record]:
        """The records that a link can mean: the linked file, else the number, in the source's folder before others."""
        if link.stem is not None:
            named = self._near(self._stems.get(link.stem.lower(), []), source)
            if named:
                return named
        return self._near(self.lookup(link.ref), source)

    def lookup(self, reference: str) -> list[Record]:
        """The records that `10`, `0010`, `ADR-010`, `0010-title`, `0010-title.md`, a stem or a path can mean."""
        if reference in self.by_path:
            return [self.by_path[reference]]
        stem = stem_of(reference).lower()
        if stem in self._stems:
            return self._stems[stem]
        from archwright.decisions.references import from_value

        found = from_value(reference)
        return self._numbers.get(found[0].ref, []) if found else []

    def one(self, reference: str) -> Record:
        """The record that a person means by a number, a name or a path; UnknownName: none, or more than one."""
        found = self.lookup(reference)
        if len(found) == 1:
            return found[0]
        from archwright.errors import NOTHING, Problem, UnknownName, did_you_mean

        if found:
            names = " or ".join(r.path for r in found)
            rule = f"means more than one record: {names}"
            raise UnknownName(Problem("", NOTHING, f"{reference} {rule}", f"name the file: {found[0].path}"))
        labels = [_argument(r) for r in self.records]
        remedy = did_you_mean(reference, labels[:50], "Records") or "archwright adr new TITLE makes the first one"
        raise UnknownName(Problem("", NOTHING, f"there is no record {reference}", remedy))

    def _near(self, found: list[Record], source: Record) -> list[Record]:
        """Of several candidates in different folders those in the source's own: projects number each folder alone."""
        if len(found) > 1:
            folder = os.path.dirname(source.path)
            return [r for r in found if os.path.dirname(r.path) == folder] or found
        return found

    def supersedes(self, new: Record, old: Record) -> bool:
        """Whether a record in force has taken the place of another: either side says so and the new one stands."""
        said = any(r.path == old.path for r in self.predecessors.get(new.path, ())) or any(
            r.path == new.path for r in self.successors.get(old.path, ())
        )
        return said and new.status not in ("proposed", "rejected")

    def issues(self) -> list[LinkIssue]:
        """Everything wrong with numbers and links, by path and line."""
        found = [*self._duplicates(), *self._unresolved(), *self._one_sided(), *self._cycles()]
        return sorted(found, key=lambda i: (i.path, i.line, i.column, i.code))

    def _duplicates(self) -> Iterable[LinkIssue]:
        for number, records in self._numbers.items():
            folders: dict[str, list[Record]] = {}
            for record in records:
                folders.setdefault(os.path.dirname(record.path), []).append(record)
            for together in folders.values():
                if len(together) < 2:
                    continue
                together.sort(key=lambda r: r.path)
                for record in together:
                    others = " and ".join(os.path.basename(r.path) for r in together if r is not record)
                    yield LinkIssue(
                        "duplicate-number",
                        record.path,
                        0,
                        0,
                        f"number {number} is also that of {others}",
                        "give one of them another number: rename the file, and mend the links to it",
                    )

    def _unresolved(self) -> Iterable[LinkIssue]:
        for record, link, candidates in self._broken:
            words = link.kind.replace("_", " ")
            name = _shown(link.ref)
            if candidates:
                both = " or ".join(os.path.basename(r.path) for r in candidates)
                message = f"{words} {name}, which could be {both}"
                remedy = f"link the file, {_markdown(candidates[0], record)} for example"
                yield LinkIssue("ambiguous-link", record.path, link.line, link.column, message, remedy)
            else:
                target = f"{link.stem}.md" if link.stem and link.stem != link.ref else name
                message = f"{words} {target}, but no such record was found"
                remedy = self._nearest(link) or "correct the number, or remove the link"
                yield LinkIssue("broken-link", record.path, link.line, link.column, message, remedy)

    def _nearest(self, link: Link) -> str:
        if link.ref[:1].isdigit() or len(self._stems) > 2000:
            return ""
        from archwright.errors import nearest

        hit = nearest(link.ref, self._stems)
        return f"did you mean {hit}?" if hit else ""

    def _one_sided(self) -> Iterable[LinkIssue]:
        for old_path, successors in self.successors.items():
            old = self.by_path[old_path]
            for new in successors:
                place = _place(old, "superseded_by", new, self)
                if old.path == new.path:
                    continue  # a cycle of one
                command = f"archwright adr supersede {_argument(old)} --by {_argument(new)}"
                if new.status in ("proposed", "rejected"):
                    message = f"superseded by {new.label}, which is {new.status} and so supersedes nothing"
                    proposed = new.status == "proposed"
                    remedy = f"archwright adr accept {_argument(new)}" if proposed else "name the record that stands"
                    yield LinkIssue("one-sided-link", old.path, *place, message, remedy)
                elif not any(r.path == old.path for r in self.predecessors.get(new.path, ())):
                    message = f"superseded by {new.label}, which does not say that it supersedes {old.label}"
                    yield LinkIssue("one-sided-link", old.path, *place, message, command)
                elif old.status not in ("superseded", "unknown"):
                    message = f"superseded by {new.label}, but its status is {old.status}"
                    yield LinkIssue("one-sided-link", old.path, *place, message, command)
        for new_path, predecessors in self.predecessors.items():
            new = self.by_path[new_path]
            if new.status in ("proposed", "rejected"):
                continue  # it does not supersede anything yet, or any more
            for old in predecessors:
                if old.path == new.path or any(r.path == new.path for r in self.successors.get(old.path, ())):
                    continue
                place = _place(new, "supersedes", old, self)
                said = "does not say so" if old.status in ("superseded", "unknown") else f"says that it is {old.status}"
                message = f"supersedes {old.label}, which {said}"
                remedy = f"archwright adr supersede {_argument(old)} --by {_argument(new)}"
                yield LinkIssue("one-sided-link", new.path, *place, message, remedy)

    def _cycles(self) -> Iterable[LinkIssue]:
        edges: dict[str, set[str]] = {}
        for old_path, successors in self.successors.items():
            edges.setdefault(old_path, set()).update(r.path for r in successors)
        for new_path, predecessors in self.predecessors.items():
            for old in predecessors:
                edges.setdefault(old.path, set()).add(new_path)
        for ring in _rings(edges):
            first = self.by_path[ring[0]]
            labels = [self.by_path[p].label for p in (*ring, ring[0])]
            if len(ring) == 1:
                message = f"{labels[0]} supersedes itself"
            else:
                message = "superseded in a circle: " + " by ".join(labels)
            place = next(((k.line, k.column) for k in first.links if k.kind in ("superseded_by", "supersedes")), (0, 0))
            yield LinkIssue("supersede-cycle", first.path, *place, message, "remove the link that is wrong")


def check_links(records: Iterable[Record]) -> list[LinkIssue]:
    """Everything wrong with the numbers and links of a set of records."""
    return Graph(records).issues()


def markdown_target(name: str) -> str:
    """A file name or relative path as the target of a Markdown link."""
    special = " ()<>#?%|\\\"'[]*_`"
    return "".join(f"%{ord(c):02X}" if c in special and c != "_" else c for c in name)


def _add(edges: dict[str, list[Record]], a: Record, b: Record) -> None:
    listed = edges.setdefault(a.path, [])
    if not any(r.path == b.path for r in listed):
        listed.append(b)


def _shown(ref: str) -> str:
    return f"ADR-{ref}" if ref[:1].isdigit() and len(ref) < 8 else ref


def _argument(record: Record) -> str:
    return record.number if record.number is not None else record.stem


def _markdown(record: Record, source: Record) -> str:
    path = os.path.relpath(record.path, os.path.dirname(source.path) or ".")
    return f"[{record.label}]({markdown_target(path.replace(os.sep, '/'))})"


def _place(record: Record, kind: str, other: Record, graph: Graph) -> tuple[int, int]:
    for link in record.links:
        if link.kind == kind and any(r.path == other.path for r in graph.candidates(link, record)):
            return link.line, link.column
    return 0, 0


def _rings(edges: dict[str, set[str]]) -> Sequence[list[str]]:
    """The strongly connected sets of more than one record, and records linked to themselves; each in link order."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on: set[str] = set()
    rings: list[list[str]] = []
    for root in sorted(edges):
        if root in index:
            continue
        work = [(root, iter(sorted(edges.get(root, ()))))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on.add(root)
        while work:  # Tarjan's algorithm without recursion: a chain may be as long as the folder
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    ring: list[str] = []
                    while not ring or ring[-1] != node:
                        ring.append(stack.pop())
                        on.discard(ring[-1])
                    if len(ring) > 1 or node in edges.get(node, ()):
                        rings.append(_in_order(sorted(ring), edges))
            elif following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                on.add(following)
                work.append((following, iter(sorted(edges.get(following, ())))))
            elif following in on:
                low[node] = min(low[node], index[following])
    return rings


def _in_order(ring: list[str], edges: dict[str, set[str]]) -> list[str]:
    """The records of a ring in the order in which one supersedes the other, as far as one walk goes."""
    members, walk = set(ring), [ring[0]]
    while following := next((n for n in sorted(edges[walk[-1]] & members) if n not in walk), None):
        walk.append(following)
    return walk

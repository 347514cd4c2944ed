"""Every kind of finding: the class name says it, `code` is its stable id, the docstring is its page."""

from __future__ import annotations

from typing import ClassVar, Literal

Severity = Literal["error", "warning", "note"]


class Rule:
    """A kind of finding. The first line of the docstring is the title, the rest says why and what to do."""

    code: ClassVar[str] = ""
    severity: ClassVar[Severity] = "error"
    blocks: ClassVar[bool] = False
    """Whether it means that something could not be checked (exit code 3)."""

    def __init_subclass__(cls) -> None:
        RULES[cls.code] = cls

    @classmethod
    def title(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")


RULES: dict[str, type[Rule]] = {}
"""Rules by code."""


class ClaimFails(Rule):
    """A figure differs from its value.

    The message gives the value and, where one or two common slips explain the figure, names them. Write the
    figure that the message gives, or change the label if it means something else. An error on an accepted
    record, a warning on a proposed one.
    """

    code = "claim-fails"


class ClaimUnreadable(Rule):
    """A link's text is not something a claim can say.

    One link holds one figure, in English notation, with a unit that measures what the label names. Bind several
    figures one by one.
    """

    code = "claim-unreadable"


class ClaimUnfilled(Rule):
    """A figure is still a question mark.

    `archwright adr fill` writes the value.
    """

    code = "claim-unfilled"


class ClaimUnproven(Rule):
    """A claim has no evidence.

    Nothing measured, trained or evaluated supports it yet. An error on an accepted record unless the project
    allows it, a warning on a proposed one.
    """

    code = "claim-unproven"


class ClaimPlausible(Rule):
    """What was observed agrees with a claim, and its interval does not yet.

    The estimate is what the text says; its interval reaches outside. The claim passes; the message says how many
    more samples would settle it.
    """

    code = "claim-plausible"
    severity = "note"


class ClaimUndecided(Rule):
    """What was observed neither confirms nor contradicts a claim.

    The estimate is outside what the text says, its interval is not, or runs contradict each other beyond their
    intervals. Measure longer, or write what was observed. An error on an accepted record, a warning on a proposed one.
    """

    code = "claim-undecided"


class ClaimWithinNoise(Rule):
    """A gain or loss is claimed that is not told from noise.

    A comparison is one only where its 99 % interval leaves out "no effect" and the effect is over 2 %. Write a bound
    (at most 1 pp, within 2 %), or measure longer.
    """

    code = "claim-within-noise"


class ClaimStale(Rule):
    """The evidence of a claim was observed before a change.

    It is of another architecture, other settings or other code; the message says what has changed since.
    `archwright prove` measures again what this machine can.
    """

    code = "claim-stale"


class ClaimUninformative(Rule):
    """An accuracy is within two standard errors of guessing.

    It tells nothing of what it should measure. Evaluate a larger model, or a task that this one can do.
    """

    code = "claim-uninformative"


class ClaimAged(Rule):
    """The evidence of a claim was observed with another version of torch.

    Another one is installed now. It counts all the same, unless the project sets `age_counts`.
    """

    code = "claim-aged"
    severity = "note"


class EvidenceMissing(Rule):
    """A record names evidence that is not there.

    Evidence is never deleted: without it nobody can look at what was observed. Bring it back from the history.
    """

    code = "evidence-missing"


class EvidenceEdited(Rule):
    """An evidence file is not as it was written.

    Its content does not match its hash, its summary does not follow from its samples, or it was cut off. It counts
    for nothing. Bring it back from the history; evidence is never edited.
    """

    code = "evidence-edited"


class ClaimNotRendered(Rule):
    """A claim is not rendered, so readers do not see it as one.

    It stands inside code, raw HTML or an image's text, or has a space between its brackets.
    """

    code = "claim-not-rendered"


class UnresolvedLabel(Rule):
    """A label resolves to nothing.

    It names no metric, field, entry of `claims:` or side of the record. The message has the nearest known name.
    """

    code = "unresolved-label"


class BadSetting(Rule):
    """A label has a setting that its metric does not take, or lacks one.

    The message lists what the metric takes.
    """

    code = "bad-setting"


class BadLabel(Rule):
    """A figure is linked with a label that is none.

    A label is name, name.side or name(setting=value).from->to.
    """

    code = "bad-label"


class BrokenBase(Rule):
    """The architecture of a record cannot be computed.

    Its base is missing or invalid, or a change of the record does not fit it.
    """

    code = "broken-base"
    blocks = True


class HandWrittenDefinition(Rule):
    """A link definition under a claim's label was written by hand.

    The first definition wins in Markdown, so the one that the tool writes would not be seen. Remove it.
    """

    code = "hand-written-definition"


class OutdatedDefinition(Rule):
    """The link definitions at the end of a record are missing or out of date.

    `archwright check --fix` writes them.
    """

    code = "outdated-definition"
    severity = "warning"


class MergeConflict(Rule):
    """A record holds the marks of a merge conflict.

    In the text, decide by hand; in the definitions at its end, `archwright check --fix` writes them anew.
    """

    code = "merge-conflict"


class BinaryUnit(Rule):
    """A figure is right in binary units only.

    128 MiB is not 128 MB. `archwright check --fix` writes the binary prefix.
    """

    code = "binary-unit"
    severity = "warning"


class AmbiguousPercent(Rule):
    """A percentage of a percentage can be read in two ways.

    Write points (0.5 pp) or a relative change (0.8 % relative).
    """

    code = "ambiguous-percent"
    severity = "warning"


class Truncated(Rule):
    """A figure was cut off rather than rounded.

    It holds; the message has the rounded figure.
    """

    code = "rounds-to"
    severity = "note"


class OneOfTwo(Rule):
    """Only the first of two figures in a link is checked.

    Bind the second in a link of its own.
    """

    code = "one-of-two"
    severity = "warning"


class UnboundNumber(Rule):
    """A figure with a unit is bound to nothing.

    Bind it as [text][label] (`archwright adr bind` proposes labels), so that it is checked from now on.
    """

    code = "unbound-number"
    severity = "warning"


class UnusedClaim(Rule):
    """An entry of `claims:` is used by no label."""

    code = "unused-claim"
    severity = "warning"


class NoLocator(Rule):
    """A citation does not say where.

    Add a section, table, page or address to `source:`.
    """

    code = "no-locator"
    severity = "warning"


class UnknownStatus(Rule):
    """The status of a record is missing or is no known word.

    It never counts as accepted. In a record of another dialect without claims this is a warning.
    """

    code = "unknown-status"


class FrontMatter(Rule):
    """The front matter of a record cannot be read, or has a value of the wrong shape."""

    code = "front-matter"


class UnreadableRecord(Rule):
    """A file cannot be read."""

    code = "unreadable-record"
    blocks = True


class InvalidArchitecture(Rule):
    """An architecture file breaks a rule."""

    code = "invalid-architecture"
    blocks = True


class NothingToCheck(Rule):
    """There is nothing to check.

    No record was found where they were looked for. That is never green.
    """

    code = "nothing-to-check"
    blocks = True


class DuplicateNumber(Rule):
    """Two records have one number.

    A number that names two documents cannot be followed. Give one of them another number.
    """

    code = "duplicate-number"


class AmbiguousLink(Rule):
    """A reference could mean two records.

    Name the file instead of the number.
    """

    code = "ambiguous-link"


class BrokenLink(Rule):
    """A reference names a record that is not there."""

    code = "broken-link"
    severity = "warning"


class OneSidedLink(Rule):
    """Only one of two records knows that it was superseded.

    Both sides must agree; `archwright adr supersede` writes both.
    """

    code = "one-sided-link"
    severity = "warning"


class SupersedeCycle(Rule):
    """Records supersede each other in a circle."""

    code = "supersede-cycle"


class BrokenPlugin(Rule):
    """A plug-in cannot be loaded."""

    code = "broken-plugin"
    severity = "warning"


from . import rules_in_time as _rules_in_time  # noqa: E402, F401  the rest of them, which need the class above

"""Kinds of findings about requirements, about records against time, and about a project's own settings."""

from __future__ import annotations

from .rules import Rule


class RequirementBroken(Rule):
    """An architecture does not meet one of its requirements.

    The message has the value and the bound. Change the architecture, or the requirement if it no longer stands.
    """

    code = "requirement-broken"


class BadRequirement(Rule):
    """A requirement cannot be checked.

    Its metric, a setting or a bound is not one that can be computed and compared. The message says which.
    """

    code = "bad-requirement"
    blocks = True


class NotPinned(Rule):
    """What an accepted record was decided on is not kept.

    It is checked against the present architecture, so that a later change of that makes it fail although it was true
    when it was written. `archwright adr accept N` keeps the architecture as it is today.
    """

    code = "not-pinned"
    severity = "warning"


class MissingPin(Rule):
    """What a record was decided on cannot be read.

    `decided_on` names a file in `bases/` that is not there or is no such file. Bring it back from the history.
    """

    code = "missing-pin"
    blocks = True


class EditedPin(Rule):
    """A file that keeps what a record was decided on was edited.

    Its name is the hash of its content and no longer fits. Bring it back from the history.
    """

    code = "edited-pin"


class ChangedDecision(Rule):
    """The decision of an accepted record was changed.

    What was accepted stays as it was. Decide anew in a record that supersedes this one.
    """

    code = "changed-decision"


class DecisionUpheld(Rule):
    """An architecture file differs from what an accepted record decided.

    Set the field back, or supersede the record. `archwright why FIELD` says who decided what.
    """

    code = "decision-upheld"


class DecisionsConflict(Rule):
    """Two accepted records give one field different values.

    One of them must supersede or amend the other.
    """

    code = "decisions-conflict"


class Drifted(Rule):
    """A figure that held when it was decided on is another one today.

    The record stays true: it says what was known then. The note says what the figure would be now, and which later
    record changed it.
    """

    code = "drifted"
    severity = "note"


class ComputedDifferently(Rule):
    """A newer release computes another value from the same facts.

    The record is held against the value of the time.
    """

    code = "computed-differently"
    severity = "note"


class UndecidedField(Rule):
    """A field differs from what its architecture extends, and no record says why.

    Listed by `archwright check --coverage`. An architecture that extends nothing is compared with the defaults.
    """

    code = "undecided-field"
    severity = "note"


class BadProjectSetting(Rule):
    """A key of `[tool.archwright]` is unknown or has a value of the wrong shape.

    The message names the line. `archwright schema settings` prints the schema.
    """

    code = "bad-project-setting"
    blocks = True


class ExpiredIgnore(Rule):
    """A finding was ignored until a day that is over.

    It counts again. Mend what it says, and remove the entry of `[[tool.archwright.ignore]]`.
    """

    code = "expired-ignore"
    severity = "warning"


class UnusedIgnore(Rule):
    """An entry of `[[tool.archwright.ignore]]` ignores nothing.

    Remove it: it would hide a finding to come.
    """

    code = "unused-ignore"
    severity = "warning"


class SelfTestFailed(Rule):
    """A number was made false, and check did not report exactly that.

    Found by `archwright check --self-test`, which alters each computed number in memory. It is an error of this tool:
    please report it with the record.
    """

    code = "self-test"

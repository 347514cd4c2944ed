"""arch.files: YAML 1.2 core and JSON as plain data, every refusal with its place, edits in place."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archwright.arch import yaml_core
from archwright.arch.files import (
    Document,
    edit_value,
    load,
    name_of,
    parse_json,
    parse_tokens,
    parse_yaml,
    set_value,
)
from archwright.arch.inplace import render
from archwright.arch.places import walk
from archwright.arch.strict_json import json_places
from archwright.arch.yaml_core import yaml_places
from archwright.errors import InvalidValue, Unreadable
from archwright.textio import apply_edits, read_text


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both parsers: the C library and the one that is used where it is absent."""
    if request.param == "pure":
        monkeypatch.setattr(yaml_core, "Parser", yaml.SafeLoader)
    else:
        assert yaml_core.Parser is yaml.CSafeLoader
    yield


both = pytest.mark.usefixtures("parser")


def refused(text: str, kind: Any = parse_yaml) -> list[str]:
    """One line a problem, without the path."""
    with pytest.raises(Unreadable) as caught:
        kind(text, "f")
    return [str(p).removeprefix("f:") for p in caught.value.problems]


FILE = """\
# An architecture with comments.
architecture:
  d_model: 4096            # the width
  n_heads: 32
  rope_theta: 1e6
  layers:                  # overrides
    - {layers: 0-15, attention: {type: sliding, window_size: 512}}
    - layers: 16-31
      attention:
        type: full
  # the end of it

requirements:
  - {name: small, metric: parameters, at_most: 7B}
"""


LAYERS = """\
- {layers: 0-15, attention: {type: sliding, window_size: 512}}
    - layers: 16-31
      attention:
        type: full"""


# ---------------------------------------------------------------- YAML: values


@both
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e6", 1_000_000),
        ("1E6", 1_000_000),
        ("1e+6", 1_000_000),
        ("1.5e3", 1500),
        ("-2e3", -2000),
        ("1_0.2_50e2", 1025),
        ("1e18", 10**18),
        ("1e19", 1e19),
        ("1.25e1", 12.5),
        ("1e-5", 1e-5),
        ("10e-1", 1.0),
        ("1.0", 1.0),
        ("10000.0", 10000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5e1", -5),
        ("100_000", 100_000),
        ("1_0.5", 10.5),
        ("0x1F", 31),
        ("0xdead_beef", 0xDEADBEEF),
        ("0o17", 15),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("-0", 0),
        ("1" + "0" * 30, 10**30),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
        # and what YAML 1.1 took for something else:
        *((t, t) for t in ["yes", "no", "on", "off", "y", "n", "Yes", "ON", "tRUE", "nULL"]),
        *((t, t) for t in ["1:30", "12:30:45", "2024-01-01", "2024-01-01T00:00:00Z"]),
        *((t, t) for t in ["0b101", "1__0", "_1", "1_", "0x", "0o8", "1e", "1e6k", "32Ki", "7B", ".", "+", "+.nan"]),
        *((t, t) for t in [".Nan", "-.nan", "1.2.3", "=", "0-15", "１２", "٣"]),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'~'", "~"),
        ('""', ""),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("!!float 1", 1.0),
        ("!!float 1.5", 1.5),
        ("!!bool true", True),
        ("!!null ~", None),
        ("!!map {a: 1}", {"a": 1}),
        ("!!seq [1]", [1]),
        ("! 1", "1"),
        ("! {a: 1}", {"a": 1}),
        ("|\n  1", "1"),
        (">-\n  a\n  b", "a b"),
        ('"\\u00e9\\U0001F600"', "é😀"),
    ],
)
def test_core_schema(written: str, value: object) -> None:
    found = parse_yaml(f"a: {written}").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    assert all(math.isnan(parse_yaml(t).data) for t in (".nan", ".NaN", ".NAN", "!!float .nan"))


@both
def test_shapes() -> None:
    assert parse_yaml(FILE).data == {
        "architecture": {
            "d_model": 4096,
            "n_heads": 32,
            "rope_theta": 1_000_000,
            "layers": [
                {"layers": "0-15", "attention": {"type": "sliding", "window_size": 512}},
                {"layers": "16-31", "attention": {"type": "full"}},
            ],
        },
        "requirements": [{"name": "small", "metric": "parameters", "at_most": "7B"}],
    }
    assert parse_yaml("").data is None
    assert parse_yaml("# only a comment\n").data is None
    assert parse_yaml("---\n").data is None
    assert parse_yaml("---\na: 1\n...\n").data == {"a": 1}
    assert parse_yaml("%YAML 1.2\n---\na: 1\n").data == {"a": 1}
    assert parse_yaml("- 1\n- [2, [3]]\n-\n").data == [1, [2, [3]], None]
    assert parse_yaml("5").data == 5
    assert parse_yaml('{"a": [1, {"b": null}],"c":true}').data == {"a": [1, {"b": None}], "c": True}
    assert parse_yaml("{a, b: }").data == {"a": None, "b": None}
    assert parse_yaml("a: {}\nb: []").data == {"a": {}, "b": []}
    assert parse_yaml("'<<': 1\n? b\n: 2").data == {"<<": 1, "b": 2}


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(plain_data)
def test_what_is_rendered_reads_back(data: Any) -> None:
    found = parse_yaml(render(data)).data
    assert found == data
    assert repr(found) == repr(data)


@given(plain_data.filter(lambda d: "inf" not in repr(d)))
def test_rendered_json_is_json_and_yaml(data: Any) -> None:
    written = render(data, as_json=True)
    assert json.loads(written) == data
    assert parse_json(written).data == data


@given(st.text(alphabet="ab:-#[]{},&*!|>'\"%@` \n\t01.e_~?<", max_size=30))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    for kind in (parse_yaml, parse_json):
        try:
            document = kind(text, "f")
        except Unreadable as error:
            assert all(p.where and p.where.line <= text.count("\n") + 1 for p in error.problems)
        else:
            document.place()
            json.dumps(document.data)


@given(st.text(alphabet="ab:-[]{},'\" \n1", max_size=24))
def test_structure_is_what_pyyaml_reads(text: str) -> None:
    try:
        ours = parse_yaml(text).data
    except Unreadable:
        return
    theirs = yaml.load(text, Loader=yaml.BaseLoader)

    def leaves(data: Any) -> Any:
        if isinstance(data, dict):
            return {k: leaves(v) for k, v in data.items()}
        if isinstance(data, list):
            return [leaves(v) for v in data]
        return "" if data in (None, "") else str(data)

    assert leaves(ours) == leaves(theirs)


# ---------------------------------------------------------------- YAML: refusals


@both
def test_a_key_given_twice_names_both_lines_and_values() -> None:
    text = "architecture:\n  a: 1\n\n  n_heads: 32\n  b: 2\n  x: {y: 1, 'y': [2]}\n\n\n\n  n_heads: 16 # wins never\n"
    assert refused(text) == [
        "6:13  architecture.x.y is given twice: 1 in line 6 and [2] in line 6. Keep one of them.",
        "10:3  architecture.n_heads is given twice: 32 in line 4 and 16 in line 10. Keep one of them.",
    ]
    assert refused("a:\na:\n  b: 1\n") == [
        "2:1  a is given twice: nothing in line 1 and b: 1 in line 2. Keep one of them."
    ]
    assert len(refused("a: &x {b: 1, b: 2}\nc: *x\nd: *x\n")) == 1


@both
def test_an_alias_bomb_is_refused_at_the_alias() -> None:
    lines = ["a0: &a0 [1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    (problem,) = refused("\n".join([*lines, "layers: *a9"]))
    assert problem.startswith("5:")
    assert "a4[" in problem
    assert "alias *a3" in problem
    assert "at most 10,000 are expanded" in problem


@both
def test_honest_aliases_are_copies() -> None:
    data = parse_yaml("a: &x {n: [1]}\nb: *x\nc: [*x, &y 5, *y]\nd: &z\ne: *z").data
    assert data == {"a": {"n": [1]}, "b": {"n": [1]}, "c": [{"n": [1]}, 5, 5], "d": None, "e": None}
    data["b"]["n"].append(2)
    assert data["a"] == {"n": [1]}


@both
def test_bad_aliases() -> None:
    assert refused("a: &layer 1\nb: *layr") == [
        "2:4  b names the alias *layr, which has no anchor before it. Did you mean layer?"
    ]
    assert refused("a: &x [1, *x]") == ["1:11  a[1] is the alias *x inside its own anchor. Write the value out."]
    assert "has an alias as a key" in refused("a: &x b\n*x : 1")[0]
    chain = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 120))
    assert refused(chain) == ["100:12  is an alias that makes the nesting more than 100 deep. Write the values out."]
    assert parse_yaml(chain.partition("a99:")[0]).data["a98"]


@both
@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 50_000, "- " * 100_000, "? " * 100_000, "[{" * 100_000])
def test_endless_nesting(text: str) -> None:
    (problem,) = refused(text)
    assert problem.startswith("1:")
    assert "nested more than 100 deep" in problem or "not YAML" in problem


@both
def test_depth_of_a_hundred_is_read() -> None:
    assert parse_yaml("[" * 100 + "]" * 100).data
    assert parse_yaml("".join(" " * n + "a:\n" for n in range(100))).data
    assert refused("[" * 101 + "]" * 101) == ["1:101  is nested more than 100 deep. Flatten it."]


@both
def test_tags_run_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = (
        f"d_model: !!python/object/apply:os.system ['touch {mark}']\n"
        "b: [!!python/name:os.system x, !local 1]\n"
        "c: !!set {a}\n"
        "d: !<tag:example.org,2000:x> 1\n"
        "e: !!timestamp 2024-01-01\n"
        "!!python/tuple f: 1\n"
    )
    problems = refused(text)
    assert [p.partition(": a tag")[0] for p in problems[:6]] == [
        "1:10  d_model is '!!python/object/apply:os.system'",
        "2:5  b[0] is '!!python/name:os.system'",
        "2:32  b[1] is '!local'",
        "3:4  c is '!!set'",
        "4:4  d is 'tag:example.org,2000:x'",
        "5:4  e is '!!timestamp'",
    ]
    assert "6:1  " in problems[6]
    assert not mark.exists()


@both
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: {<<: {b: 1}}", "1:5  a.<< is a merge key, which is not read. Use extends for another file, or write"),
        ("1: a", "1:1  1 is a key that YAML reads as a number; keys are text. Quote it."),
        ("x:\n  1.5: a", "2:3  x.1.5 is a key that YAML reads as a number"),
        ("true: a", "1:1  true is a key that YAML reads as a truth value"),
        ("~: a", "1:1  ~ is a key that YAML reads as nothing"),
        ("?\n: a", "1:2  has an entry without a key"),
        ("? [a]\n: 1", "1:3  has a collection as a key"),
        ("{[a]: 1}", "1:2  has a collection as a key"),
        ("a: !!int x", "1:4  a is 'x': not what its tag !!int says"),
        ("a: !!int 1.5", "1:4  a is '1.5': not what its tag !!int says"),
        ("a: 1e400", "1:4  a is larger than a floating-point number can be"),
        ("a: 1e99999999999999", "1:4  a is larger than a floating-point number can be"),
        ("a: " + "9" * 4301, "1:4  a is a number of 4,301 characters; at most 4,300 are read"),
        ("a: 0x" + "f" * 4301, "1:4  a is a number of 4,303 characters"),
        ("a: 1." + "9" * 4301, "1:4  a is a number of 4,303 characters"),
        ("a: !!int " + "9" * 4301, "1:4  a is a number of 4,301 characters"),
        ("a: 1\n---\nb: 1", "2:1  holds a second document; one is read"),
        ("a: 1\n...\n---\n", "3:1  holds a second document"),
        ("a: 1" + "\n%TAG ! x" * 101, "2:1  has more than 100 directives"),
    ],
)
def test_refusals_of_content(text: str, problem: str) -> None:
    assert refused(text)[0].startswith(problem)


@both
@pytest.mark.parametrize(
    ("text", "place", "words", "remedy"),
    [
        ("a:\n\tb: 1", "2:1", "a tab indents this line (b: 1)", "Indent with spaces"),
        ("\ta: 1", "1:1", "a tab", "Indent with spaces"),
        ("a: 1\n\tb: 2", "2:1", "a tab", "Indent with spaces"),
        ("a: b: c", "1:5", "has a ': ' where no key can stand (a: b: c)", "Quote the text"),
        ("a: 1\n b: 2", "2:3", "has a ': ' where no key can stand", "indentation"),
        ("a: - b", "1:4", "has a '- ' where no list can begin", "line of its own"),
        ("a: [1, 2\nb: 3", "2:2", "not closed", "Add a comma or the ]"),
        ("x: 1\na: {b: 1\n", "3:1", "not closed", "Add"),
        ("a: 'x\nb", "2:2", "has a quoted text that is not closed", "Add the closing quote"),
        ("a\nb: 1", "2:2", "has a ': ' where no key can stand", ""),
        ("a: 1\nb\n", "3:1", "has a line that is no key: value", "Write key: value"),
        ("- 1\nb: 2", "2:1", "does not fit what stands above (b: 2)", "Align it"),
        ("a:\n    b: 1\n  c: 2", "3:3", "does not fit what stands above", "Align it"),
        ("a: @x", "1:4", "has a value that begins with @", "Quote the value"),
        ("a: `x`", "1:4", "has a value that begins with `", "Quote the value"),
        ("a: %x", "1:4", "has a value that begins with %", "Quote the value"),
        ("a: ]", "1:4", "has a bracket or comma where a value is expected", "quote it"),
        ('a: "\\q"', "1:", "has an unknown escape in double quotes", "single quotes"),
        ("é😀: \x01", "1:5", "holds a control character", "Remove it"),
        ("%YAML 3.0\n---\na: 1", "1:1", "another YAML", "Remove"),
        ("a: !x!y 1", "1:4", "has a tag with an unknown prefix", "Remove the tag"),
    ],
)
def test_faults_of_syntax(text: str, place: str, words: str, remedy: str) -> None:
    (problem,) = refused(text)
    assert problem.startswith(place)
    assert "not YAML" in problem
    assert words in problem
    assert remedy in problem


def test_an_open_quote_says_where_it_began() -> None:
    assert "it was opened in line 2" in refused('a: 1\nb: "x\nc: 1\n')[0]


@both
def test_half_a_character() -> None:
    (problem,) = refused("é: '\ud800'")
    assert problem.startswith("1:5  ")
    assert "Remove it" in problem


def test_all_problems_come_at_once_but_not_without_end() -> None:
    problems = refused("a: !x 1\nb: 1\nb: 2\n5: 1\n<<: {}\n")
    assert [p[0] for p in problems] == list("1345")
    problems = refused("\n".join(f"{n}: !x 1" for n in range(200)))
    assert len(problems) == 51
    assert "more faults than are listed" in problems[50]


def test_front_matter_counts_lines_of_its_file() -> None:
    with pytest.raises(Unreadable) as caught:
        parse_yaml("a: 1\na: 2\n", "r.md", first_line=2)
    assert "r.md:3:1  a is given twice: 1 in line 2 and 2 in line 3" in str(caught.value)
    document = parse_yaml("a: 1\nb: 2\n", "r.md", first_line=2)
    assert str(document.where(("b",))) == "r.md:3:4"


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, true, null, "x", {}], "b": {"c": "\\u00e9\\ud83d\\ude00"}}', None),
        ("[]", None),
        (' "x" ', None),
        ("-0.0", None),
        ("1.0", None),
        ("1e-05", None),
        ("1e6", 1_000_000),
        ("1.5E+3", 1500),
        ("[" * 100 + "]" * 100, None),
        ('["' + "[" * 200 + '"]', None),
        ("[" + ",".join(["[]"] * 500) + "]", None),
        ('{"a": "\\"[", "b": [' + ",".join(["{}"] * 200) + "]}", None),
    ],
)
def test_json(text: str, value: object) -> None:
    found = parse_json(text).data
    wanted = json.loads(text) if value is None else value
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,\n "b": {"c": 1, "c": [2]}}', "2:16  b.c is given twice: 1 in line 2 and [2] in line 2. Keep one"),
        ('{"a": 1,\n "rms_norm_eps": NaN}', "2:18  rms_norm_eps is NaN, which JSON does not know"),
        ('[1, {"x": -Infinity}]', "1:11  [1].x is -Infinity, which JSON does not know"),
        ('{"a": 1e400}', "1:7  a is larger than a floating-point number can be"),
        ('{"a": ' + "9" * 4301 + "}", "1:7  a is a number of 4,301 characters"),
        ('{"a": "\\ud800"}', "1:7  a holds half of a character"),
        ('{"\\udc00": 1}', "1:2  holds half of a character"),
        ("[" * 200_000, "1:101  is nested more than 100 deep"),
        ('{"a":' * 200_000, "1:501  is nested more than 100 deep"),
        ("", "1:1  is empty"),
        (" \n ", "1:1  is empty"),
        ('{"a": 1,\n "b": [1, 2', "2:11  is not JSON: it ends in the middle"),
        ('{"a": 1,\n "b": "xy', "2:7  is not JSON: it ends in the middle within a text that begins in column 7"),
        ('{"a": 1,\n\n', "1:8  is not JSON: it ends in the middle"),
        ('{"a": 1} x', "1:10  is not JSON: it goes on after its end"),
        ('{"a": 1}{"a": 1}', "1:9  is not JSON: it goes on after its end"),
        ('{"a": 1 "b": 2}', "1:9  is not JSON: it lacks a comma"),
        ('{"a" 1}', "1:6  is not JSON: it lacks a colon"),
        ("{'a': 1}", "1:2  is not JSON: it has no key in double quotes here"),
        ('{"a": tru}', "1:7  is not JSON: it has no value here"),
        ('{"a": "x\ny"}', "1:9  is not JSON: it has a line end or control character within quotes"),
        ('{"a": "\\q"}', "1:8  is not JSON: it has an unknown escape"),
        ('{"a": "\\u12"}', "1:"),
        ("// c\n{}", "1:1  is not JSON: it has no value here"),
    ],
)
def test_json_refusals(text: str, problem: str) -> None:
    assert refused(text, parse_json)[0].startswith(problem)


def test_json_trailing_comma() -> None:
    # Python 3.13 words this fault in its own way.
    (problem,) = refused('{"a": 1,}', parse_json)
    assert "comma" in problem
    assert problem.startswith(("1:8 ", "1:9 "))


def test_json_lists_all_problems() -> None:
    text = '{"a": NaN,\n"b": 1e999,\n"a": 1,\n"c": "\\ud9ff x"}'
    assert [p[0] for p in refused(text, parse_json)] == list("1234")
    assert len(refused("[" + "NaN," * 1000 + "1]", parse_json)) == 51


# ---------------------------------------------------------------- places


def spans(text: str, root: Any) -> dict[str, str]:
    return {name_of(keys): text[place.start : place.end] for keys, place in walk(root)}


@both
def test_spans_of_yaml() -> None:
    found = spans(FILE, yaml_places(FILE))
    assert found["architecture.d_model"] == "4096"
    assert found["architecture.layers[0]"] == "{layers: 0-15, attention: {type: sliding, window_size: 512}}"
    assert found["architecture.layers[1]"] == "layers: 16-31\n      attention:\n        type: full"
    assert found["architecture"].endswith("type: full")
    assert found[""].startswith("architecture:")
    assert found[""].endswith("7B}")
    text = "a: |\n  x\n\n\n# c\nb: 'q' # c\nc:\nd: &n !!str x\ne: [ ]\nf: é😀\ng: *n\nh:\n- 1\n-\n"
    found = spans(text, yaml_places(text))
    assert list(found.values())[1:] == [
        "|\n  x",
        "'q'",
        "",
        "&n !!str x",
        "[ ]",
        "é😀",
        "*n",
        "- 1\n-"[0:3] + "\n-",
        "1",
        "",
    ]


def test_spans_of_json() -> None:
    text = ' {"a" : [1, "x]\\"" ,{ }], "b\\u00e9":-1e5\n, "c": null } '
    found = spans(text, json_places(text))
    assert found == {
        "": text.strip(),
        "a": '[1, "x]\\"" ,{ }]',
        "a[0]": "1",
        "a[1]": '"x]\\""',
        "a[2]": "{ }",
        "bé": "-1e5",
        "c": "null",
    }


@given(plain_data.filter(lambda d: "inf" not in repr(d)), st.sampled_from([None, 1]))
def test_spans_cut_out_each_value(data: Any, indent: int | None) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    for keys, place in walk(json_places(text)):
        value = data
        for key in keys:
            value = value[key]
        assert json.loads(text[place.start : place.end]) == value


@both
def test_where() -> None:
    document = parse_yaml(FILE, "a.yaml")
    assert str(document.where(("architecture", "d_model"))) == "a.yaml:3:12"
    assert str(document.where(("architecture", "d_model"), key=True)) == "a.yaml:3:3"
    assert str(document.where(("architecture", "layers", 1, "attention", "type"))) == "a.yaml:10:15"
    assert str(document.where(("architecture", "layers", 0))) == "a.yaml:7:7"
    assert str(document.where(("requirements",), key=True)) == "a.yaml:13:1"
    assert str(document.where()) == "a.yaml:2:1"
    # What is not there: the nearest thing around it.
    assert str(document.where(("architecture", "n_layers"))) == "a.yaml:2:1"
    assert str(document.where(("architecture", "layers", 9, "x"))) == "a.yaml:6:3"
    assert str(document.where(("nothing",))) == "a.yaml"
    assert str(parse_yaml("a:\nb: 1", "f").where(("a",))) == "f:1:1"
    assert str(parse_yaml("", "f").where(("a",))) == "f"
    assert str(parse_yaml("a: &x {b: 1}\nc: *x", "f").where(("c", "b"))) == "f:1:11"
    assert str(parse_json('{\n "a": [1,\n  2]}', "f").where(("a", 1))) == "f:3:3"


def test_a_document_without_a_text_has_no_places() -> None:
    document = Document({"a": 1})
    assert document.where(("a",)) is None
    with pytest.raises(KeyError):
        document.span(("a",))


def test_places_are_made_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = yaml_core.yaml_places
    monkeypatch.setattr(yaml_core, "yaml_places", lambda text: calls.append(text) or real(text))
    document = parse_yaml(FILE)
    assert calls == []
    start, end = document.span(("architecture", "n_heads"))
    assert FILE[start:end] == "32"
    document.where(("requirements", 0, "name"))
    assert len(calls) == 1
    with pytest.raises(KeyError, match=r"architecture\.x"):
        document.span(("architecture", "x"))


def test_documents_pickle() -> None:
    document = parse_yaml(FILE, "a.yaml")
    document.where(())
    again = pickle.loads(pickle.dumps(document))
    assert again.data == document.data
    assert again.where(("requirements",)) == document.where(("requirements",))


# ---------------------------------------------------------------- setting values


@pytest.mark.parametrize(
    ("keys", "value", "old", "new"),
    [
        (("architecture", "d_model"), 8192, "4096   ", "8192   "),
        (("architecture", "rope_theta"), 5e5, "1e6", "500000.0"),
        (("architecture", "layers", 0, "attention", "window_size"), 1024, "512", "1024"),
        (
            ("architecture", "layers", 1, "attention"),
            {"type": "sliding", "window_size": 8},
            "attention:\n        type: full",
            "attention: {type: sliding, window_size: 8}",
        ),
        (("architecture", "n_kv_heads"), 8, "rope_theta: 1e6\n", "rope_theta: 1e6\n  n_kv_heads: 8\n"),
        (
            ("architecture", "layers", 0, "attention", "dilation"),
            2,
            "window_size: 512}",
            "window_size: 512, dilation: 2}",
        ),
        (
            ("architecture", "layers", 1, "attention", "qk_norm"),
            True,
            "type: full\n",
            "type: full\n        qk_norm: true\n",
        ),
        (
            ("architecture", "layers", 2),
            {"layers": "32"},
            "        type: full\n",
            '        type: full\n    - {layers: "32"}\n',
        ),
        (("name",), "tiny: a test", "at_most: 7B}\n", 'at_most: 7B}\nname: "tiny: a test"\n'),
        (("architecture", "moe", "n_experts"), 8, "rope_theta: 1e6\n", "rope_theta: 1e6\n  moe: {n_experts: 8}\n"),
        (("requirements", 1), {"name": "x"}, "at_most: 7B}\n", "at_most: 7B}\n  - {name: x}\n"),
        (("architecture", "layers"), None, LAYERS, "null"),
    ],
)
def test_set_value_changes_nothing_else(keys: Any, value: Any, old: str, new: str) -> None:
    assert FILE.count(old) == 1
    assert set_value(FILE, keys, value) == FILE.replace(old, new)


@pytest.mark.parametrize(
    ("text", "keys", "value", "new"),
    [
        ("", ("a",), 1, "a: 1\n"),
        ("# c\n", ("a", "b"), 1, "# c\na: {b: 1}\n"),
        ("a:\n", ("a",), 1, "a: 1\n"),
        ("a:\n", ("a", "b"), 1, "a: {b: 1}\n"),
        ("a: null # c\n", ("a", "b"), 1, "a: {b: 1} # c\n"),
        ("a: 1", ("b",), 2, "a: 1\nb: 2"),
        ("a: 1 # one\n\n# two\n", ("b",), 2, "a: 1 # one\nb: 2\n\n# two\n"),
        ("a: {}\n", ("a", "b"), [1, "x"], "a: {b: [1, x]}\n"),
        ("a: []\n", ("a", 0), "y", "a: [y]\n"),
        ("- a: 1\n- b: 2\n", (0, "c"), 3, "- a: 1\n  c: 3\n- b: 2\n"),
        ("- 1\n- 2\n", (2,), 3, "- 1\n- 2\n- 3\n"),
        ("a: |\n  text\n  more\nb: 1\n", ("a",), "x", "a: x\nb: 1\n"),
        ("a: 'x'\n", ("a",), "null", 'a: "null"\n'),
        ("a: x\n", ("a",), "1e6", 'a: "1e6"\n'),
        ("a: x\n", ("a",), "a # b", 'a: "a # b"\n'),
        ("a: x\n", ("a",), "é\x85\u2028😀", 'a: "é\\x85\\u2028😀"\n'),
        ("a:\n  b: 1\n\n\nc: 1\n", ("a",), 5, "a: 5\n\n\nc: 1\n"),
        ("a:\n  b:\n    c: 1\n# end", ("a", "d"), 5, "a:\n  b:\n    c: 1\n  d: 5\n# end"),
    ],
)
def test_set_value_in_small_files(text: str, keys: Any, value: Any, new: str) -> None:
    assert set_value(text, keys, value) == new


def test_set_value_in_json() -> None:
    text = '{\n  "a": 1,\n  "b": {"c": [1, 2]}\n}\n'
    assert set_value(text, ("a",), 1e-5, "json") == text.replace('"a": 1', '"a": 1e-05')
    assert set_value(text, ("d",), "é", "json") == text.replace("]}\n", ']},\n  "d": "é"\n')
    assert set_value(text, ("b", "d"), None, "json") == text.replace("]}\n", '], "d": null}\n')
    assert set_value(text, ("b", "c", 2), 3, "json") == text.replace("2]", "2, 3]")
    assert set_value("{}", ("a", "b"), 1, "json") == '{"a": {"b": 1}}'


@pytest.mark.parametrize(
    ("text", "keys", "words"),
    [
        ("a: 1\n", ("a", "b"), r"a\.b cannot be set: what holds it is no map"),
        ("a: [1]\n", ("a", "b"), r"what holds it is no map"),
        ("a: [1]\n", ("a", 5), r"a\[5\] cannot be set: the list has 1 entries"),
        ("a: &x {b: 1}\nc: *x\n", ("a", "b"), r"a\.b cannot be changed in place without changing something else"),
        ("a: &x 1\nc: *x\n", ("a",), r"cannot be changed in place"),
        ("a: &x {b: 1}\nc: *x\n", ("c", "b"), r"cannot be changed in place"),
    ],
)
def test_set_value_refusals(text: str, keys: Any, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        set_value(text, keys, 2)


def test_only_plain_data_is_written() -> None:
    for value in (object(), {1: 2}, [b"x"]):
        with pytest.raises(TypeError):
            set_value("a: 1", ("a",), value)
    with pytest.raises(TypeError):
        set_value('{"a": 1}', ("a",), math.nan, "json")
    with pytest.raises(ValueError, match="by its keys"):
        set_value("a: 1", (), 1)


@given(plain_data.filter(lambda d: isinstance(d, dict) and d and "inf" not in repr(d)), plain_data, st.data())
def test_a_set_value_is_read_back(data: Any, value: Any, draw: st.DataObject) -> None:
    text = draw.draw(st.sampled_from([render(data), yaml.safe_dump(json.loads(json.dumps(data)))]))
    try:
        data = parse_yaml(text).data
    except Unreadable:  # PyYAML writes some keys and numbers in YAML 1.1
        return
    document = parse_yaml(text)
    key = draw.draw(st.sampled_from([*data, "new"]))
    edit = edit_value(document, (key,), value)
    again = parse_yaml(apply_edits(text, [edit])).data
    assert again == {**data, key: value}


def test_an_edit_reaches_a_windows_file_in_its_own_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    raw = b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode()
    path.write_bytes(raw)
    document = load(path)
    assert document.source is not None
    edit = edit_value(document, ("architecture", "n_kv_heads"), 8)
    assert document.source.edit([edit]) == raw.replace(b"1e6\r\n", b"1e6\r\n  n_kv_heads: 8\r\n")


# ---------------------------------------------------------------- files


def test_load_by_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text, kind in [
        ("a.yaml", '{"a": 1}', "yaml"),
        ("a.YML", "a: 1", "yaml"),
        ("a.json", '{"a": 1}', "json"),
        ("a.txt", ' \n{"a": 1}', "json"),
        ("a", "a: 1", "yaml"),
    ]:
        Path(name).write_text(text)
        document = load(tmp_path / name)
        assert (document.data, document.format, document.path) == ({"a": 1}, kind, name)
    Path("a.json").write_text("a: 1")
    with pytest.raises(Unreadable, match=r"^a\.json:1:1  is not JSON"):
        load("a.json")


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_windows_files_give_the_same_data(tmp_path: Path, codec: str) -> None:
    plain = parse_yaml(FILE).data
    for name, text in (("a.yaml", FILE), ("a.json", json.dumps(plain, indent=2))):
        data = text.replace("\n", "\r\n").encode(codec)
        (tmp_path / name).write_bytes(data)
        if codec == "utf-16-le":
            with pytest.raises(Unreadable, match="UTF-16"):
                load(tmp_path / name)
        else:
            document = load(tmp_path / name)
            assert document.data == plain
            place = document.where(("requirements",), key=True)
            assert place is not None
            assert place.column == (1 if name == "a.yaml" else 3)


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as f:
        f.truncate(200 * 2**20)
    with pytest.raises(Unreadable, match=r"a\.yaml  has 209,715,200 bytes, more than the limit of 524,288"):
        load(path)
    path.write_text(FILE + "#\n" * 2**18)
    with pytest.raises(Unreadable, match="limit"):
        load(path)
    assert load(path, limit=2**20).data == parse_yaml(FILE).data


def test_json_needs_no_yaml() -> None:
    code = "import sys, archwright.arch.files as f; f.parse_json('{}').where(()); sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_external_configs_are_read_as_json_reads_them(shared: Path) -> None:
    files = sorted((shared / "data" / "configs").rglob("*.json"))
    if not files:
        pytest.skip("the external data set has no configs")
    for file in files:
        text = read_text(file).text
        wanted = json.loads(text)
        assert parse_json(text).data == wanted, file
        assert parse_yaml(text).data == wanted, file
        yaml_root = yaml_places(text)
        assert yaml_root is not None
        assert spans(text, yaml_root) == spans(text, json_places(text)), file


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        (32768, 32768),
        ("32768", 32768),
        ("32_000", 32000),
        ("32Ki", 32768),
        ("1.5Ki", 1536),
        ("128 Ki", 131072),
        ("1Mi", 2**20),
        ("1e6", 10**6),
        ("-5", -5),
        (" 7 ", 7),
    ],
)
def test_tokens(value: str | int, tokens: int) -> None:
    assert parse_tokens(value) == tokens


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("32K", "context is '32K': could mean 32,000 or 32,768 tokens. Write 32_000 or 32Ki."),
        ("128k", "could mean 128,000 or 131,072 tokens. Write 128_000 or 128Ki."),
        ("1M", "could mean 1,000,000 or 1,048,576 tokens. Write 1_000_000 or 1Mi."),
        ("32,000", "has commas. Write 32_000."),
        ("1.3Ki", "not a whole number of tokens"),
        ("1.5", "not a whole number of tokens"),
        ("32KiB", "not a count of tokens"),
        ("many", "not a count of tokens"),
        ("", "not a count of tokens"),
        (True, "not a count of tokens"),
        (None, "not a count of tokens"),
        (1.5, "not a count of tokens"),
        ("9" * 5000, "not a count of tokens"),
    ],
)
def test_no_tokens(value: Any, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_tokens(value, "context")
    assert words in str(caught.value)


def test_quoted_numbers_are_no_tokens_in_files() -> None:
    assert parse_tokens("32Ki", bare=False) == 32768
    with pytest.raises(InvalidValue, match="quoted text is never a number"):
        parse_tokens("32768", bare=False)

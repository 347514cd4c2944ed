"""How a value comes about: the line that explains a value is arithmetic, and gives the value."""

from __future__ import annotations

import ast
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archwright as aw
from archwright.costs.metric import evaluate, how

from .strategies import architectures

A = aw.ArchitectureConfig()


def computed(text: str) -> Fraction:
    """The number that an explanation computes, its words left out."""
    text = re.sub(r"\([A-Za-z][^()]*\)", "", text.replace(",", ""))
    tokens = re.findall(r"\d+(?:\.\d+)?|[+/()]|(?<![A-Za-z])x(?![A-Za-z])", text)
    tree = ast.parse(" ".join("*" if t == "x" else t for t in tokens), mode="eval").body

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.Constant):
            return Fraction(str(node.value))
        assert isinstance(node, ast.BinOp), ast.dump(node)
        left, right = value(node.left), value(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        return left * right if isinstance(node.op, ast.Mult) else left / right

    return value(tree)


def test_the_line_of_the_documentation():
    mha = A.change(n_kv_heads=32)
    assert how("kv_cache", mha, {"context": 32768}) == (
        "32 layers x 2 (K, V) x 32 heads x 128 x 32,768 tokens x 2 bytes"
    )
    assert how("kv_cache", A, {"per": "layer"}) == "2 (K, V) x 8 heads x 128 x 32,768 tokens x 2 bytes"


@pytest.mark.parametrize(
    ("name", "settings_"),
    [
        ("kv_cache", {}),
        ("kv_cache", {"batch": 3, "dtype": "int4-g128"}),
        ("kv_cache", {"per": "token", "context": 4096}),
        ("kv_cache", {"per": "sequence", "batch": 5}),
        ("kv_cache_elements", {"batch": 2}),
        ("parameters", {}),
        ("parameters", {"part": "attention", "where": "0-3"}),
        ("active_parameters", {}),
        ("non_embedding_parameters", {}),
        ("weights", {"dtype": "fp8"}),
        ("weights", {"per": "layer"}),
        ("forward_flops", {"context": 100}),
        ("prefill_flops", {"context": 100, "batch": 2}),
        ("decode_flops", {"context": 100}),
        ("flops_per_token", {"context": 100}),
        ("attention_flops", {"context": 100, "phase": "train"}),
        ("training_flops", {"tokens": 10**6, "approximation": "6N"}),
        ("weight_bytes_read", {"phase": "decode"}),
    ],
)
def test_an_explanation_gives_its_value(name, settings_):
    text = how(name, A, settings_)
    assert computed(text) == evaluate(name, A, settings_).value, text


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(1, 50), st.sampled_from(["model", "layer", "token"]))
def test_an_explanation_gives_its_value_for_any_model(a, context, per):
    text = how("kv_cache", a, {"context": context, "per": per})
    assert computed(text) == aw.metrics.kv_cache(a, context=context, per=per).value, text
    for name in ("forward_flops", "decode_flops"):
        assert computed(how(name, a, {"context": context})) == evaluate(name, a, {"context": context}).value


def test_settings_of_other_metrics_do_not_disturb():
    assert how("parameters", A, {"context": 1}) == how("parameters", A)
    assert how("inference_memory", A) == "11.1 GiB weights + 4.00 GiB KV cache"
    assert how("n_heads", A) == ""

"""ArchitectureConfig: the documented fields, validation, round trips, equality, fingerprints."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright import ArchitectureConfig
from archwright.arch.fields import FIELDS, USER_FIELDS

DOCUMENTED = {
    "d_model": 4096,
    "n_layers": 32,
    "n_heads": 32,
    "n_kv_heads": 8,
    "d_ff": 11008,
    "vocab_size": 32000,
    "max_seq_len": 32768,
    "rope_theta": 10000.0,
    "attention_dropout": 0.0,
    "ffn_dropout": 0.0,
    "use_gated_geglu": True,
    "use_rms_norm": True,
    "custom_attention": None,
    "init_method": "kaiming",
}


def test_defaults_and_order_are_the_documented_ones():
    assert ArchitectureConfig().to_dict() == DOCUMENTED
    assert list(ArchitectureConfig().to_dict()) == list(DOCUMENTED)
    positional = ArchitectureConfig(*DOCUMENTED.values())
    assert positional == ArchitectureConfig()


def test_signature_and_field_table_say_the_same():
    import inspect

    parameters = inspect.signature(ArchitectureConfig.__init__).parameters
    signature = {n: p.default for n, p in parameters.items() if n not in ("self", "extra")}
    assert signature == {n: FIELDS[n].default for n in USER_FIELDS}


def count_by_hand(d=4096, layers=32, heads=32, kv=8, head=128, ff=11008, vocab=32000, gated=True, rms=True, tied=False):
    attention = d * heads * head * 2 + 2 * d * kv * head
    ffn = (3 if gated else 2) * d * ff
    norm = d if rms else 2 * d
    return layers * (attention + ffn + 2 * norm) + norm + vocab * d * (1 if tied else 2)


def test_parameters_of_the_example_configuration():
    count = ArchitectureConfig().estimate_params()
    assert count == count_by_hand() == 5_933_109_248
    assert sum(count.parts.values()) == count
    assert count.parts["embedding"] == count.parts["head"] == 32000 * 4096
    assert pickle.loads(pickle.dumps(count)).parts == count.parts


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 12).map(lambda n: 2 * n),
    st.integers(1, 300),
    st.integers(1, 500),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_parameters_of_any_shape(layers, kv, groups, head, ff, vocab, gated, rms, tied):
    heads = kv * groups
    d = 8 * heads
    config = ArchitectureConfig(
        d, layers, heads, kv, ff, vocab, use_gated_geglu=gated, use_rms_norm=rms, head_dim=head, tie_embeddings=tied
    )
    assert config.estimate_params() == count_by_hand(d, layers, heads, kv, head, ff, vocab, gated, rms, tied)


def test_biases_count_where_they_are():
    base = ArchitectureConfig(d_model=64, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=128, vocab_size=100)
    qkv = base.change({"attention.bias": ["q", "k", "v"]})
    assert qkv.estimate_params() - base.estimate_params() == 2 * (64 + 32 + 32)
    everywhere = base.change({"attention.bias": True, "feed_forward.bias": True})
    assert everywhere.estimate_params() - base.estimate_params() == 2 * (64 + 32 + 32 + 64 + 128 + 128 + 64)


ROUND_TRIPS = [
    {},
    {"n_kv_heads": 4, "tie_embeddings": True, "head_dim": 64},
    {"layers": [{"layers": "0-15", "attention": {"type": "sliding", "window_size": 512}}]},
    {"pattern": [{"type": "sliding", "window_size": 512, "times": 5}, "full"]},
    {"custom_attention": "sliding", "attention": {"window_size": 7}},
    {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position": 4096}},
    {"feed_forward": {"type": "swiglu", "bias": True}, "attention": {"bias": ["q", "k", "v"]}},
    {"use_gated_geglu": False, "use_rms_norm": False, "init_method": "normal(0.02)", "norm_eps": 1e-6},
]


@pytest.mark.parametrize("fields", ROUND_TRIPS)
def test_every_way_out_leads_back_in(fields):
    config = ArchitectureConfig(**fields)
    assert ArchitectureConfig(**config.to_dict()) == config
    assert ArchitectureConfig.from_yaml(config.to_yaml()) == config
    assert ArchitectureConfig.from_json(config.to_json()) == config
    assert ArchitectureConfig.from_json(json.dumps({"architecture": config.to_dict()})) == config
    indented = "".join(f"  {line}\n" for line in config.to_yaml().splitlines())
    assert ArchitectureConfig.from_yaml("architecture:\n" + indented) == config
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(copy.deepcopy(config)) == hash(config)
    assert config.to_dict() == ArchitectureConfig.from_yaml(config.to_yaml()).to_dict()


def test_the_same_tree_is_equal_however_it_was_written():
    written = ArchitectureConfig(custom_attention="gqa", head_dim=128)
    assert written == ArchitectureConfig()
    assert written.fingerprint == ArchitectureConfig().fingerprint
    by_layers = ArchitectureConfig(n_layers=4, layers=[{"layers": "0,2", "attention": "sliding"}])
    by_pattern = ArchitectureConfig(n_layers=4, pattern=["sliding", "full"])
    assert by_layers == by_pattern
    undilated = ArchitectureConfig(attention={"type": "dilated", "window_size": 9, "dilation": 1})
    assert undilated == ArchitectureConfig(attention={"type": "sliding", "window_size": 9})
    assert undilated != ArchitectureConfig(attention={"type": "dilated", "window_size": 9, "dilation": 2})


def test_fingerprints_never_move():
    assert ArchitectureConfig().fingerprint == "v1-d7aed590f4b03624"
    assert ArchitectureConfig(n_kv_heads=4).fingerprint == "v1-664be9d9042df921"


def test_equal_layers_are_one_object():
    config = ArchitectureConfig(layers=[{"layers": "0-15", "attention": "sliding"}])
    assert len({id(layer) for layer in config.layers}) == 2
    assert [numbers for _, numbers in config.groups] == [tuple(range(16)), tuple(range(16, 32))]


def test_it_is_frozen():
    config = ArchitectureConfig()
    with pytest.raises(AttributeError, match="change"):
        config.n_heads = 16
    with pytest.raises(AttributeError, match="frozen"):
        del config.n_heads


BAD = [
    (
        {"n_kv_heads": 6},
        ["n_kv_heads is 6", "n_heads (32) must be divisible by n_kv_heads (6)", "Use 1, 2, 4, 8, 16 or 32"],
    ),
    ({"n_heads": 24}, ["d_model (4096) must be divisible by n_heads (24)"]),
    ({"d_ff": 0}, ["d_ff is 0", "must be positive"]),
    ({"attention_dropout": 1.5}, ["attention_dropout is 1.5", "must be in [0, 1]"]),
    ({"ffn_dropout": -0.1}, ["ffn_dropout is -0.1", "must be in [0, 1]"]),
    ({"n_layers": True}, ["n_layers is true", "whole number"]),
    ({"d_model": "4096"}, ["d_model is '4096'", "Remove the quotes"]),
    ({"d_model": 4096.0}, ["d_model is 4096.0", "whole number"]),
    ({"vocab_size": 10**30}, ["vocab_size is 1000000000000000000000000000000", "2^53"]),
    ({"n_layers": 10**9}, ["n_layers is 1000000000", "10,000"]),
    ({"rope_theta": float("nan")}, ["rope_theta is nan", "finite"]),
    ({"rope_theta": float("inf")}, ["rope_theta is inf", "finite"]),
    ({"n_kv_head": 8}, ["n_kv_head is not a field", "n_kv_heads"]),
    ({"n_kv_groups": 4, "n_heads": 24, "d_model": 1536}, ["n_kv_groups", "groups", "(4)", "6 KV heads", "n_kv_heads"]),
    ({"custom_attention": "os.system"}, ["custom_attention is 'os.system'", "Known: ", "dilated", "full, gqa"]),
    ({"custom_attention": "slidng"}, ["Did you mean sliding?"]),
    ({"custom_attention": "mqa"}, ["n_kv_heads is 8", "must be 1 for mqa"]),
    ({"init_method": "kaimin"}, ["init_method is 'kaimin'", "Did you mean kaiming?"]),
    ({"head_dim": 3}, ["head_dim is 3", "even"]),
    ({"layers": [{"attention": "sliding"}]}, ["layers[0].layers is missing"]),
    ({"layers": [{"layers": "0-40", "attention": "sliding"}]}, ["0-40", "its 32 layers are 0 to 31"]),
    ({"layers": [{"layers": "5-2", "attention": "sliding"}]}, ["ends before it starts", "2-5"]),
    ({"layers": [{"layers": "0-4"}, {"layers": "3-5"}]}, ["overlaps layers[0] (0-4) in 3-4"]),
    ({"layers": [{"layers": 0, "atention": "full"}]}, ["layers[0].atention is not a field of a layer", "attention"]),
    ({"layers": [{"layers": 0, "attention": {"type": "sliding", "windw_size": 4}}]}, ["Did you mean window_size?"]),
    (
        {"layers": [{"layers": 0, "attention": {"type": "full", "window_size": 4}}]},
        ["window_size is not a field of full"],
    ),
    ({"layers": [7]}, ["layers[0] is 7", "must be a map"]),
    ({"layers": [{"layers": 0}], "pattern": ["full"]}, ["pattern and layers exclude each other"]),
    ({"pattern": []}, ["pattern", "empty"]),
    ({"pattern": [{"type": "sliding", "times": 0}]}, ["times is 0"]),
    ({"pattern": ["full", "slidng"]}, ["slidng", "Did you mean sliding?"]),
    ({"attention": {"type": "sliding", "window_size": -1}}, ["window_size is -1", "must not be negative"]),
    ({"attention": {"type": "dilated", "dilation": 0}}, ["dilation is 0"]),
    ({"attention": {"bias": ["q", "z"]}}, ["bias", "q, k, v, o"]),
    ({"attention": 5}, ["attention is 5", "must be"]),
    ({"feed_forward": {"type": "swish"}}, ["feed-forward type", "geglu", "swiglu"]),
    ({"rope_scaling": {"type": "lin", "factor": 2}}, ["rope_scaling.type is 'lin'", "linear"]),
    ({"rope_scaling": {"type": "linear", "factor": 0.5}}, ["factor is 0.5", "at least 1"]),
    (
        {"custom_attention": "sliding", "layers": [{"layers": 0, "attention": {"type": "full"}}]},
        ["contradicts custom_attention"],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), BAD)
def test_a_bad_value_names_field_value_rule_and_remedy(fields, expected):
    with pytest.raises(ValueError) as caught:
        ArchitectureConfig(**fields)
    for text in expected:
        assert text in str(caught.value)


def test_all_problems_come_at_once():
    with pytest.raises(ValueError) as caught:
        ArchitectureConfig(
            n_layers=True,
            d_ff=-11008,
            vocab_size=10**30,
            rope_theta=float("nan"),
            ffn_dropout=1.5,
            n_kv_head=8,
            layers=[{"layers": "0-3", "attention": {"type": "slidng"}}],
        )
    text = str(caught.value)
    for name in ("n_layers", "d_ff", "vocab_size", "rope_theta", "ffn_dropout", "n_kv_head ", "layers[0]"):
        assert name in text
    assert len(caught.value.problems) == 7


def test_head_counts_need_not_divide_d_model_when_head_dim_is_given():
    config = ArchitectureConfig(d_model=2560, n_heads=36, n_kv_heads=4, head_dim=128)
    assert config.layers[0].attention.head_dim == 128 == config.head_dim

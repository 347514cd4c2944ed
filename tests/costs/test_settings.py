"""Settings: every wrong one is named with what is accepted, all at once; defaults follow the contract."""

from __future__ import annotations

from fractions import Fraction

import pytest

import archwright as aw
from archwright.costs.metric import evaluate, how, known_setting, metrics, settings_of
from archwright.costs.settings import SETTINGS

m = aw.metrics
A = aw.ArchitectureConfig()

CONTRACT = """
context batch new_tokens phase weights_dtype kv_dtype activation_dtype grad_dtype master_dtype
optimizer_dtype dtype moe_dtype tp pp dp ep cp fsdp device n_devices cache checkpointing backend where part per
efficiency usable tokens optimizer loss approximation hardware price embedding flops_convention
"""


def problems(call) -> list[str]:
    with pytest.raises(aw.ArchwrightError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    return [p.message for p in caught.value.problems]


def test_every_setting_of_the_contract_is_known():
    assert set(CONTRACT.split()) <= set(SETTINGS)
    assert all(s.doc and s.accepts for s in SETTINGS.values())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"contxt": 1}, "contxt is not a setting of kv_cache. Did you mean context? Kv_cache takes "),
        ({"device": "h100-sxm"}, "device is not a setting of kv_cache. "),
        ({"context": 0}, "context is 0: must be at least 1. Accepted: a count of tokens"),
        ({"context": True}, "context is true: must be a whole number"),
        ({"context": 1.5}, "context is 1.5: must be a whole number"),
        ({"context": 2**70}, "context is 1180591620717411303424: must be at most"),
        ({"context": "32K"}, "context is '32K': could mean 32,000 or 32,768 tokens. Write 32_000 or 32Ki."),
        ({"batch": "many"}, "batch is 'many': is not a count of tokens".replace("is not", "not")),
        ({"cache": "half"}, "cache is 'half': not a kind of cache. Use one of needed, full"),
        ({"cache": "paged-0"}, "cache is 'paged-0': must have a page of 1 to 65,536 tokens"),
        ({"per": "head"}, "per is 'head': not accepted. Use one of model, layer, device, token, sequence."),
        ({"kv_dtype": "bf17"}, "kv_dtype is 'bf17': not a known data type. Did you mean bf16?"),
        ({"where": "layers[40]"}, "where is 'layers[40]': outside the model: its 32 layers are 0 to 31"),
        ({"where": "upper"}, "where is 'upper': not a selection of layers. Write 3, 0-15"),
        ({"where": "type=slidding"}, "where is 'type=slidding': not a known attention type. Did you mean sliding?"),
    ],
)
def test_a_wrong_setting_says_what_is_accepted(settings, expected):
    (found,) = problems(lambda: m.kv_cache(A, **settings))
    assert expected.lower() in found.lower()


def test_all_problems_at_once():
    found = problems(lambda: m.decode_time(A, contxt=1, batch=0, efficiency=2, weights_dtype="x"))
    assert len(found) == 5  # device is missing too
    assert any("device is required by decode_time. Give it: one of a100-40gb" in f for f in found)
    assert any(f.startswith("efficiency is 2: must be over 0 and at most 1. Write 0.02, or 2 %") for f in found)


@pytest.mark.parametrize("value", [32768, "32768", "32_768", "32Ki", 32768.0, Fraction(32768)])
def test_counts_of_tokens_as_people_write_them(value):
    assert m.kv_cache(A, context=value) == m.kv_cache(A, context=32768)


@pytest.mark.parametrize("value", [0.8, "0.8", "80 %", "80%", Fraction(4, 5)])
def test_shares_as_people_write_them(value):
    assert m.fits(A, device="h100-sxm", usable=value).available.value * 5 == 4 * 81559 * 2**20


def test_defaults():
    assert m.kv_cache(A) == m.kv_cache(A, context=32768, batch=1, dtype="bf16", cache="needed", per="model")
    assert m.forward_flops(A) == m.forward_flops(A, flops_convention="visible")
    assert m.bytes_read(A) == m.bytes_read(A, phase="prefill")
    assert m.fits(A, device="h100-sxm").available == m.fits(A, device="h100-sxm", usable=0.9).available
    assert m.parameters(A) == m.parameters(A, embedding="all", part=None, where=None)
    assert m.weights(A, moe_dtype="fp8") == m.weights(A)


def test_one_type_sets_three_and_each_can_be_set():
    both = m.inference_memory(A, dtype="fp8")
    assert both == m.inference_memory(A, weights_dtype="fp8", kv_dtype="fp8")
    assert both.value < m.inference_memory(A, weights_dtype="fp8").value < m.inference_memory(A).value
    assert m.inference_memory(A, dtype="fp8", kv_dtype="bf16") == m.inference_memory(A, weights_dtype="fp8")


def test_evaluating_by_name():
    assert evaluate("kv_cache", A, {"context": 4096}) == m.kv_cache(A, context=4096)
    with pytest.raises(aw.ArchwrightError, match="device is not a setting of kv_cache"):
        evaluate("kv_cache", A, {"device": "h100-sxm"})
    loose = evaluate("kv_cache", A, {"device": "h100-sxm", "context": 4096, "backend": "flash"}, strict=False)
    assert loose == m.kv_cache(A, context=4096)
    with pytest.raises(aw.ArchwrightError, match="contxt is not a setting"):
        evaluate("kv_cache", A, {"contxt": 1}, strict=False)
    with pytest.raises(aw.ArchwrightError, match=r"'kv_cahce'.*neither a metric nor a field.*Did you mean kv_cache\?"):
        evaluate("kv_cahce", A)


def test_a_field_is_a_value_too():
    assert str(evaluate("n_kv_heads", A)) == "8 heads"
    assert str(evaluate("max_seq_len", A)) == "32,768 tokens"
    assert evaluate("rope_theta", A) == 10000
    windows = A.change({"layers[0-3].attention": {"type": "sliding", "window_size": 512}})
    assert str(evaluate("layers[0-3].attention.window_size", windows)) == "512 tokens"
    with pytest.raises(aw.ArchwrightError, match="has no settings"):
        evaluate("d_model", A, {"context": 1})
    with pytest.raises(aw.ArchwrightError, match="is 'kaiming': not a number"):
        evaluate("init_method", A)
    with pytest.raises(aw.ArchwrightError, match="more than one value"):
        evaluate("layers[0-3].attention.window_size", windows.change({"layers[0].attention.window_size": 4}))


def test_what_a_metric_takes():
    assert list(settings_of("layer_count")) == ["where"]
    assert settings_of("decode_time")["device"].required
    assert not settings_of("kv_cache")["context"].required
    assert "dtype" in settings_of("weights") and "dtype" not in settings_of("parameters")
    assert settings_of("parameters_share")["part"].required and not settings_of("parameters")["part"].required
    assert known_setting("backend") and not known_setting("colour")
    assert set(settings_of("kv_cache")) <= set(SETTINGS)
    assert how("layer_count", A) == ""
    assert "kv_cache" in metrics

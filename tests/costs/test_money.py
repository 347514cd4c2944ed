"""What training and decoding cost: prices with date and source, published hours, electricity."""

from __future__ import annotations

from fractions import Fraction

import pytest

import archwright as aw

m = aw.metrics
A = aw.ArchitectureConfig()
PRICE = {"amount": 2, "date": "2024-12-27", "source": "DeepSeek-AI 2024, arXiv:2412.19437, section 1"}


def test_training_cost():
    """DeepSeek-AI 2024: 2.788 million device hours at two dollars are 5.576 million dollars."""
    found = m.training_cost(A, hours=2_788_000, price=PRICE)
    assert found.value == 5_576_000
    assert found.unit == "$"
    assert found.notes == ("$2 a device hour on 2024-12-27: DeepSeek-AI 2024, arXiv:2412.19437, section 1",)
    assert m.training_cost(A, hours=2_788_000, price="2 / 2024-12-27 / a blog / page 3") == found
    assert m.training_cost(A, tokens=36 * 10**9, throughput=1000, price=PRICE).value == 20_000
    bound = m.device_hours(A, tokens=10**9, device="h100-sxm", context=4096)
    assert m.training_cost(A, tokens=10**9, device="h100-sxm", context=4096, price=PRICE).value == bound.value / 1800
    assert m.training_time(A, hours=48, n_devices=2).value == 86400


@pytest.mark.parametrize(
    ("price", "rule"),
    [
        (2, "price is 2: has no date and no source. Write a map {amount: 2, date: 2024-12-27, source: ...}"),
        ("2", "price is '2': lacks date and source."),
        ({"amount": 2, "source": "x"}, "lacks date."),
        ({"amount": 2, "date": "soon", "source": "x"}, "has a date that is none: soon."),
        ({"amount": -2, "date": "2024-12-27", "source": "x"}, "must be positive"),
        ({"amount": "two", "date": "2024-12-27", "source": "x"}, "must be a number"),
        ({"amount": 2, "date": "2024-12-27", "source": "x", "currency": "EUR"}, "has currency, which a price has not"),
    ],
)
def test_a_price_needs_a_date_and_a_source(price, rule):
    with pytest.raises(aw.ArchwrightError) as caught:
        m.training_cost(A, hours=1, price=price)
    assert rule in str(caught.value)


def test_a_price_has_no_default():
    for name in ("training_cost", "cost_per_million_tokens"):
        with pytest.raises(aw.ArchwrightError, match=f"price is required by {name}"):
            aw.costs.metric.metrics.get(name)(A)


def test_what_has_to_be_given():
    with pytest.raises(aw.ArchwrightError) as caught:
        m.training_cost(A, price=PRICE)
    assert [p.field for p in caught.value.problems] == ["tokens", "device"]
    with pytest.raises(aw.ArchwrightError, match="hours and throughput exclude each other"):
        m.device_hours(A, hours=1, throughput=1)
    with pytest.raises(aw.ArchwrightError, match="device or throughput is required"):
        m.cost_per_million_tokens(A, price=PRICE)


def test_cost_of_tokens():
    found = m.cost_per_million_tokens(A, price=PRICE, throughput=1000)
    assert found.value == Fraction(2, 3600) * 1000
    given = {"device": "h100-sxm", "context": 4096, "batch": 8}
    bound = m.cost_per_million_tokens(A, price=PRICE, **given)
    assert bound.value == Fraction(2, 3600) * 10**6 / m.decode_throughput(A, **given).value
    assert bound.notes[-1] == "at least: the rate is a bound"


def test_energy():
    found = m.energy(A, device="h100-sxm", hours=1000)
    assert found.value == 1000 * 3600 * 700
    assert str(found) == "700 kWh"
    assert str(found.to("MWh")) == "0.700 MWh"
    with pytest.raises(aw.ArchwrightError, match=r"device is .a100-80gb.: has no power in its file.*h100-sxm"):
        m.energy(A, device="a100-80gb", hours=1)

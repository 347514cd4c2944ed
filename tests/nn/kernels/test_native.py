"""The compiled library: when it cannot be had, the reason is told and torch computes."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch

from archwright.errors import NotSupported
from archwright.nn.kernels import grouped_decode, native, sliding_attention
from archwright.nn.kernels.native import calls, library

from . import oracle


@pytest.fixture(autouse=True)
def _fresh():
    """Every test looks at its own environment, and leaves the real one behind."""
    native.forget()
    yield
    native.forget()


def _call(implementation="auto"):
    q, k, v = (x.detach() for x in oracle.random_inputs(1, 4, 4, 600, 600, 32, torch.float32))
    return sliding_attention(q, k, v, window=256, implementation=implementation)


def test_without_a_compiler_torch_computes_and_the_reason_is_told(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no C++ compiler (no-such-compiler)" in native.status().reason
    assert torch.equal(_call(), _call("torch"))
    with pytest.raises(NotSupported, match="no C\\+\\+ compiler"):
        _call("native")
    few = torch.randn(1, 2, 1, 16)
    with pytest.raises(NotSupported, match="no C\\+\\+ compiler"):
        grouped_decode(few, few, few, implementation="native")


def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text('#!/bin/sh\ntest "$1" = --version && echo 1 && exit\necho "out of luck" >&2\nexit 1\n')
    broken.chmod(0o700)
    monkeypatch.setenv("CXX", str(broken))
    monkeypatch.setenv("ARCHWRIGHT_CACHE", str(tmp_path / "cache"))
    assert native.status().reason.endswith("could not compile the native kernels: out of luck")
    assert list((tmp_path / "cache" / "native").iterdir()) == [], "nothing half-made is left"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of this kind are not known here")
def test_a_cache_that_others_can_write_is_not_trusted(monkeypatch, tmp_path):
    if not any(shutil.which(c) for c in library.COMPILERS):
        pytest.skip("there is no C++ compiler to look for a library for")
    folder = tmp_path / "native"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("ARCHWRIGHT_CACHE", str(tmp_path))
    assert "can be written by, somebody else" in native.status().reason


def test_a_library_with_wrong_results_is_not_used(monkeypatch):
    if native.status().library is None:
        pytest.skip(native.status().reason)
    native.forget()
    right = calls.forward

    def wrong(*args, **options):
        right(*args, **options)
        args[5][..., 3] += 0.01

    monkeypatch.setattr(calls, "forward", wrong)
    assert "results are wrong on this machine" in native.status().reason


def test_the_library_is_built_once(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHWRIGHT_CACHE", str(tmp_path))
    if native.status().library is None:
        pytest.skip(native.status().reason)
    (made,) = (tmp_path / "native").iterdir()
    written = made.stat().st_mtime_ns
    native.forget()
    assert isinstance(native.status().library, ctypes.CDLL)
    assert made.stat().st_mtime_ns == written


def test_every_source_is_shipped():
    folder = Path(sys.modules[library.__name__].__file__).parent
    assert {p.name for p in folder.iterdir() if p.suffix in (".cpp", ".h")} == {*library.SOURCES, *library.HEADERS}


def test_results_do_not_depend_on_the_number_of_threads():
    if native.status().library is None:
        pytest.skip(native.status().reason)
    inputs = oracle.random_inputs(1, 4, 2, 700, 700, 16, torch.float32)
    grad = torch.randn(1, 4, 700, 16)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            out = sliding_attention(*inputs, window=100, implementation="native")
            found.append((out, *torch.autograd.grad(out, inputs, grad)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_the_gradient_belongs_to_the_forward_pass_that_ran(monkeypatch):
    """What `auto` can have may change between the passes; a spoilt last row changes nothing about it."""
    inputs = oracle.random_inputs(1, 4, 4, 600, 600, 32, torch.float32)
    monkeypatch.setenv("ARCHWRIGHT_NATIVE", "0")
    with torch.no_grad():
        inputs[0][0, 3, -1] = float("nan")
    out = sliding_attention(*inputs, window=256)
    monkeypatch.setenv("ARCHWRIGHT_NATIVE", "1")
    native.forget()
    grad = torch.ones_like(out)
    late = torch.autograd.grad(out, inputs, grad)
    wanted = torch.autograd.grad(sliding_attention(*inputs, window=256, implementation="torch"), inputs, grad)
    assert all(torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0)) for a, b in zip(late, wanted, strict=True))


def test_threads_of_its_own_give_the_same(monkeypatch):
    """Where torch has no GNU OpenMP, the kernels start threads themselves."""
    if native.status().library is None:
        pytest.skip(native.status().reason)
    first = _call("native")
    monkeypatch.setattr(calls, "_threads_of_torch", lambda: None)
    assert torch.equal(_call("native"), first)

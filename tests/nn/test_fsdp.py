"""FSDP2 in two processes: the loss curve of one process, tied tables and checkpointing of activations included."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import archwright
from archwright.nn import checkpoint
from archwright.testing.accuracy import bound

WORKER = textwrap.dedent(
    """
    import json, os, sys
    import torch
    import torch.distributed as dist
    from torch.nn import functional as F
    from archwright.arch.config import ArchitectureConfig
    from archwright.nn import Transformer, checkpoint
    from archwright.nn.sharding import shard

    def curve(config, dtype, world=1, rank=0, prepare=lambda model: None):
        model = Transformer(ArchitectureConfig(**config), seed=0, dtype=dtype).train()
        prepare(model)
        generator = torch.Generator().manual_seed(1)
        batch = torch.randint(0, config["vocab_size"], (4, 20), generator=generator)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
        losses = []
        for _ in range(12):
            mine = batch.chunk(world)[rank]
            loss = F.cross_entropy(model(mine)[:, :-1].flatten(0, 1), mine[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total = loss.detach().double()
            if world > 1:
                dist.all_reduce(total)
            losses.append(float(total / world))
        return losses, model

    def sharded(config, out):
        torch.set_num_threads(1)
        dist.init_process_group("gloo")

        def prepare(model):
            model.checkpointing = "full"
            shard(model)

        losses, model = curve(config, torch.float32, dist.get_world_size(), dist.get_rank(), prepare)
        checkpoint.save(model, out)
        if dist.get_rank() == 0:
            print(json.dumps(losses))
        dist.destroy_process_group()

    if __name__ == "__main__":
        sharded(json.loads(sys.argv[1]), sys.argv[2])
    """
)

CONFIG = {
    "d_model": 32,
    "n_layers": 3,
    "n_heads": 4,
    "n_kv_heads": 2,
    "d_ff": 48,
    "vocab_size": 64,
    "max_seq_len": 64,
    "layers": [{"layers": "0-1", "attention": {"type": "sliding", "window_size": 6}}],
}


def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def two_processes(config: dict, out: Path) -> list[float]:
    """The losses of twelve steps, by two processes together."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port()), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    source = str(Path(archwright.__file__).parents[1])
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, json.dumps(config), str(out)],
            env={**os.environ, **address, "RANK": str(rank), "PYTHONPATH": source},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    done = [process.communicate() for process in started]
    for process, (_, errors) in zip(started, done, strict=True):
        assert process.returncode == 0, errors[-3000:]
    losses: list[float] = json.loads(done[0][0])
    return losses


@pytest.mark.parametrize("tied", [False, True])
def test_two_processes_have_the_loss_curve_of_one(tied, tmp_path):
    """At most twice as far from a float64 run as one float32 process is, plus 1.1 times its mean distance."""
    config = {**CONFIG, "tie_embeddings": tied}
    worker: dict = {"__name__": "worker"}
    exec(WORKER, worker)
    exact, _ = worker["curve"](config, torch.float64)
    low, _ = worker["curve"](config, torch.float32)
    shared = torch.tensor(two_processes(config, tmp_path / "saved"), dtype=torch.float64)
    exact, low = torch.tensor(exact, dtype=torch.float64), torch.tensor(low, dtype=torch.float64)
    assert exact[-1] < 0.7 * exact[0]
    assert (shared - exact).abs().max() <= bound(exact, low.float())
    saved = checkpoint.load(tmp_path / "saved")
    assert sum(p.numel() for p in saved.parameters()) == saved.config.estimate_params()

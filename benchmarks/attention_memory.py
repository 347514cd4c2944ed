"""Peak memory of sliding-window attention from 4K to 64K tokens, forward and with backward: how it grows with T.

    python benchmarks/attention_memory.py [--implementation torch native] [--json FILE]

Every size runs in a process of its own: the highest resident size of the call, less what was resident before its
inputs were made. The exponent is the slope of log memory over log tokens; 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
from pathlib import Path

SIZES = (4096, 8192, 16384, 32768, 65536)
WINDOW = 512


def measure(tokens: int, backward: bool, implementation: str) -> int:
    """Bytes of the peak above the process itself; run in a fresh process."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    import torch

    from archwright.nn.kernels import sliding_attention

    torch.set_num_threads(2)

    def call(length: int) -> None:
        q, k, v = (torch.randn(1, 8, length, 64, requires_grad=backward) for _ in range(3))
        out = sliding_attention(q, k, v, window=WINDOW, implementation=implementation)
        if backward:
            torch.autograd.grad(out, (q, k, v), torch.ones_like(out))

    call(1024)  # libraries are loaded and threads started
    page = os.sysconf("SC_PAGE_SIZE")
    before = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * page
    call(tokens)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before


def exponent(sizes: tuple[int, ...], values: list[int]) -> float:
    """Slope of the least-squares line through the logarithms."""
    x, y = [math.log(s) for s in sizes], [math.log(v) for v in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--implementation", nargs="+", default=["torch", "native"])
    parser.add_argument("--smoke", action="store_true", help="two small sizes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        tokens, backward, implementation = options.one
        print(measure(int(tokens), backward == "True", implementation))
        return
    sizes = (4096, 8192) if options.smoke else SIZES
    found = {}
    for implementation in options.implementation:
        for backward in (False, True):
            peaks = []
            for tokens in sizes:
                command = [sys.executable, __file__, "--one", str(tokens), str(backward), implementation]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                peaks.append(int(done.stdout))
            title = f"{implementation}, {'forward and backward' if backward else 'forward'}"
            found[title] = {"tokens": sizes, "bytes": peaks, "exponent": exponent(sizes, peaks)}
            each = ", ".join(f"{t // 1024}K {p / 2**20:.0f} MiB" for t, p in zip(sizes, peaks, strict=True))
            print(f"{title}: T^{found[title]['exponent']:.3f} ({each})", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

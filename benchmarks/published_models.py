"""Parameters and arithmetic of published configs: ours, accelerate's estimate, and the 6N rule, beside the truth.

    python benchmarks/published_models.py [FOLDER] [--json FILE]

FOLDER holds `configs/*.json` and `truth.csv` (slug, params_total, flops_forward_per_token_at_4096, ...). accelerate's
estimate is that of `accelerate estimate-memory`: the model built empty, sizes summed with `calculate_maximum_sizes`,
over the bytes of its type. The 6N rule is six times the parameters for a training token, here a third of it for a
forward pass. Without FOLDER, or with --smoke, two small configs are made on the spot and the truth is transformers'
own count.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import archwright as aw

CONTEXT = 4096


def small_configs(folder: Path) -> list[dict[str, Any]]:
    """Two configs and their truth, counted by transformers."""
    (folder / "configs").mkdir()
    rows = []
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    for slug, kind, tied in (("small-llama", "llama", True), ("small-qwen2", "qwen2", False)):
        config = {"model_type": kind, **shape, "num_key_value_heads": 2, "vocab_size": 100, "tie_word_embeddings": tied}
        path = folder / "configs" / f"{slug}.json"
        path.write_text(json.dumps(config))
        import torch

        with torch.device("meta"):
            model = build(path)
        rows.append({"slug": slug, "params_total": sum(p.numel() for p in model.parameters())})
    return rows


def build(path: Path) -> Any:
    """The model of a config, as transformers builds it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    data = json.loads(path.read_text())
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(data.pop("model_type"), **data))


def accelerate_parameters(path: Path) -> int | None:
    """What accelerate's estimate makes of a config, or None where it cannot build it."""
    from accelerate import init_empty_weights
    from accelerate.utils import calculate_maximum_sizes

    try:
        with init_empty_weights():
            model = build(path)
        size, _ = calculate_maximum_sizes(model)
    except (ValueError, KeyError, AttributeError, TypeError, ImportError):
        return None
    return int(size) // model.dtype.itemsize


def measure(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """A row a config: truth, ours, accelerate's, and the share of the true arithmetic that 6N gives."""
    found = []
    for row in rows:
        path = folder / "configs" / f"{row['slug']}.json"
        config = aw.load(path)
        ours = int(aw.metrics.parameters(config))
        flops = aw.metrics.prefill_flops(config, context=CONTEXT, flops_convention="dense").value / CONTEXT
        true_flops = float(row.get("flops_forward_per_token_at_4096") or flops)
        found.append(
            {
                "slug": row["slug"],
                "truth": int(row["params_total"]),
                "ours": ours,
                "accelerate": accelerate_parameters(path),
                "ours_flops": float(flops) / true_flops,
                "rule_flops": 2 * ours / true_flops,
            }
        )
    return found


def main() -> None:
    """Print the table and the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if args.smoke or args.folder is None else args.folder
        if folder is args.folder:
            with (folder / "truth.csv").open(encoding="utf-8") as file:
                rows: list[dict[str, Any]] = list(csv.DictReader(file))
        else:
            rows = small_configs(folder)
        start = time.process_time()
        for row in rows:
            aw.load(folder / "configs" / f"{row['slug']}.json").estimate_params()
        seconds = time.process_time() - start
        found = measure(rows, folder)
    print(f"{'config':<28}{'true parameters':>18}{'ours':>8}{'accelerate':>12}{'FLOP, ours':>12}{'FLOP, 6N':>10}")
    for row in found:
        theirs = "-" if row["accelerate"] is None else f"{row['accelerate'] / row['truth'] - 1:+.1%}"
        mine = "exact" if row["ours"] == row["truth"] else f"{row['ours'] / row['truth'] - 1:+.1%}"
        flops = f"{row['ours_flops'] - 1:>+12.2%}{row['rule_flops'] - 1:>+10.1%}"
        print(f"{row['slug']:<28}{row['truth']:>18,}{mine:>8}{theirs:>12}{flops}")
    exact = {
        "ours": sum(r["ours"] == r["truth"] for r in found),
        "accelerate": sum(r["accelerate"] == r["truth"] for r in found),
    }
    within = {key: sum(abs(r[key] - 1) <= 0.01 for r in found) for key in ("ours_flops", "rule_flops")}
    print(f"exact parameters of {len(found)}: ours {exact['ours']}, accelerate {exact['accelerate']}")
    print(f"arithmetic within 1 %: ours {within['ours_flops']}, the 6N rule {within['rule_flops']}")
    print(f"all configs read and counted in {seconds:.2f} CPU seconds")
    if args.json:
        result = {"configs": found, "exact": exact, "within_1_percent": within, "cpu_s": seconds}
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

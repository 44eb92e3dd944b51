"""A training loop that keeps every tenth step in one archive, and goes on from the last one when it is started again.

    python examples/train_with_checkpoints.py run.lac --steps 200

Kill it at any moment and start it again: it resumes from the last complete checkpoint. `laconic checkpoint list run.lac` shows what is
there, `laconic checkpoint extract run.lac model -o model.safetensors` writes the last weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import laconic.checkpoint


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("archive", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--every", type=int, default=10)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.GELU(), torch.nn.Linear(256, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    done = 0
    if arguments.archive.exists() and laconic.checkpoint.steps(arguments.archive):
        state = laconic.checkpoint.load(arguments.archive)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        done = state["step"]
        print(f"resumed after step {done}")

    with laconic.checkpoint.CheckpointWriter(arguments.archive) as writer:
        for step in range(done + 1, arguments.steps + 1):
            x = torch.randn(32, 64)
            loss = (model(x) - x.sum(1, keepdim=True).sin()).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % arguments.every == 0:
                # Returns when the state is copied; encoding and writing go on while the loop does.
                writer.save({"step": step, "model": model, "optimizer": optimizer, "rng": torch.get_rng_state()}, step)
                print(f"step {step}: loss {loss.item():.4f}")
    raw = sum(info.raw_bytes for info in laconic.checkpoint.steps(arguments.archive))
    print(f"{raw} bytes of state in {arguments.archive.stat().st_size}")


if __name__ == "__main__":
    main()

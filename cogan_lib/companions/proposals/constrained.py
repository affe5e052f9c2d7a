"""Constrained decoding: only tokens that a JSON schema allows are ever drawn.

It repairs the syntax of a reply, field names and types included. It cannot repair physics: a number
is a number to it, and a peak flux of 200 W/m^2 passes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch

from .models import optional


def forbid(tokenizer, schema: dict, width: int) -> Callable:
    """Make a step of decoding that forbids what a schema does not allow.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizer
    schema : dict
        JSON schema of an object; ranges in it are beyond the enforcer, patterns are not.
    width : int
        Tokens of the prompt, padding included.

    Returns
    -------
    function of (input_ids, scores) to scores

    Raises
    ------
    CoganError
        If ``lm-format-enforcer`` is not installed.
    """
    with optional():
        from lmformatenforcer import JsonSchemaParser, TokenEnforcer
    allowed = TokenEnforcer(_words(tokenizer), JsonSchemaParser(schema))
    end = tokenizer.eos_token_id

    def step(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        forbidden = torch.full_like(scores, -torch.inf)
        for row, ids in enumerate(input_ids[:, width:].tolist()):
            # a row that has ended is padded until the others have, too
            ok = [end] if end in ids else allowed.get_allowed_tokens(ids).allowed_tokens
            forbidden[row, ok] = 0
        return scores + forbidden

    return step


@lru_cache(maxsize=1)
def _words(tokenizer) -> object:
    """List what each token spells; the enforcer's own list needs an older transformers."""
    with optional():
        from lmformatenforcer.tokenenforcer import TokenEnforcerTokenizerData
    zero = tokenizer.encode("0", add_special_tokens=False)[-1]
    special, words = set(tokenizer.all_special_ids), []
    for token in range(len(tokenizer)):
        if token not in special:
            inside = tokenizer.decode([zero, token])[1:]  # with its leading space, if it has one
            words.append((token, inside, len(inside) > len(tokenizer.decode([token]))))

    def spell(tokens: list[int]) -> str:
        return tokenizer.decode(tokens).rstrip("\ufffd")

    return TokenEnforcerTokenizerData(words, spell, tokenizer.eos_token_id, False, len(tokenizer))

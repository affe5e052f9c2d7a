"""What the machine can do at best: bytes copied and FLOPs of a matrix product, on one thread."""

import numpy as np
import pytest
import torch

COPIED_MB, SIDE = 512, 2048
TYPES = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16}


def test_copy(benchmark, record):
    source = np.ones(COPIED_MB * 2**20 // 8)
    target = np.empty_like(source)
    benchmark.pedantic(np.copyto, args=(target, source), rounds=5, warmup_rounds=1)
    record["limits"]["copy_bytes_s"] = 2 * source.nbytes / benchmark.stats.stats.min
    record.keep()


@pytest.mark.parametrize("precision", TYPES)
def test_matmul(benchmark, record, precision):
    a = torch.ones(SIDE, SIDE, dtype=TYPES[precision])
    benchmark.pedantic(torch.mm, args=(a, a), rounds=3, warmup_rounds=1)
    record["limits"][f"flops_s_{precision}"] = 2 * SIDE**3 / benchmark.stats.stats.min
    record.keep()

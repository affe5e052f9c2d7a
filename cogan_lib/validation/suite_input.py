"""What the suite takes: stacks, blocks and labels that fit together, or one sentence."""

from __future__ import annotations

import numpy as np

from ..base.files import CoganError
from . import image_numbers as numbers

#: Images of each stack, and blocks, that there must be.
FEWEST_IMAGES, FEWEST_BLOCKS = 20, 8
#: A ratio of the medians beyond this is taken for another unit.
OTHER_UNIT = 100.0
#: Stacks that may share no image; what was trained on may come back, which is memorisation's task.
APART = (
    ("real", "held_out"),
    ("real", "training"),
    ("held_out", "training"),
    ("generated", "real"),
    ("generated", "held_out"),
)


def flat(images: np.ndarray) -> np.ndarray:
    """Images as rows."""
    return images.reshape(len(images), -1)


def checked_stacks(real, generated, held_out, training) -> tuple[dict[str, np.ndarray], list[str]]:
    """Check all stacks, and see whether they seem to be in different units.

    Parameters
    ----------
    real, generated, held_out, training : ndarray, shape (n, side, side)
        `training` may be None.

    Returns
    -------
    stacks : dict of str to ndarray, float64
    hints : list of str

    Raises
    ------
    CoganError
        If one of them can't be used, or two share images.
    """
    stacks = {"real": numbers.check_stack("real", real, FEWEST_IMAGES)}
    side = stacks["real"].shape[-1]
    others = {"generated": generated, "held_out": held_out, "training": training}
    for name, images in others.items():
        if images is not None or name != "training":
            word = name.replace("_", "-")
            stacks[name] = numbers.check_stack(word, images, FEWEST_IMAGES, side)
    if len(np.unique(flat(stacks["real"]), axis=0)) == 1:
        raise CoganError(
            "All real images are the same one; there is no population to compare with."
        )
    _check_apart(stacks)
    sizes = {name: float(np.median(np.abs(images))) for name, images in stacks.items()}
    hints = [
        f"The median brightness of the {name.replace('_', '-')} images is {size:.3g}, that of the "
        f"real ones {sizes['real']:.3g}: are they in the same unit?"
        for name, size in sizes.items()
        if not 1 / OTHER_UNIT <= (size + 1e-300) / (sizes["real"] + 1e-300) <= OTHER_UNIT
    ]
    return stacks, hints


def _check_apart(stacks: dict[str, np.ndarray]) -> None:
    """Refuse stacks that share images: what is compared with itself proves nothing."""
    # Adding 0 makes -0 and 0 the same bytes.
    kept = {name: {(image + 0.0).tobytes() for image in some} for name, some in stacks.items()}
    for one, other in APART:
        if (one, other) == ("generated", "real") and "training" not in stacks:
            continue  # the real images are what was trained on
        if count := len(kept[one] & kept.get(other, set())):
            words = (name.replace("_", "-") for name in (one, other))
            raise CoganError(
                f"The {' and the '.join(words)} images share {count} "
                f"{'image' if count == 1 else 'images'}; none may serve twice, so take others."
            )


def checked_blocks(blocks, stacks) -> dict[str, np.ndarray]:
    """Find the block of each image; blocks of several stacks may have the same number.

    Parameters
    ----------
    blocks : three or four arrays of int, or None
    stacks : dict of str to ndarray
        Of `checked_stacks`.

    Returns
    -------
    dict of str to ndarray of int

    Raises
    ------
    CoganError
        If they don't fit, or are too few.
    """
    if blocks is None:
        ends = np.cumsum([0, *(len(images) for images in stacks.values())])
        return {
            name: np.arange(start, start + len(images))
            for (name, images), start in zip(stacks.items(), ends, strict=False)
        }
    if isinstance(blocks, str) or not np.iterable(blocks):
        raise CoganError("Give three or four arrays of blocks, a number per image of each stack.")
    given = [numbers.as_numbers("The blocks", some, "iu") for some in blocks]
    if len(given) == 3 and "training" in stacks:
        given.append(-1 - np.arange(len(stacks["training"])))
    if [some.shape for some in given] != [(len(images),) for images in stacks.values()]:
        raise CoganError(
            f"The blocks have shapes {[some.shape for some in given]}; give a number per image of "
            f"the stacks {', '.join(f'{name} ({len(some)})' for name, some in stacks.items())}."
        )
    found = dict(zip(stacks, given, strict=True))
    for name, some in found.items():
        if (count := np.unique(some).size) < FEWEST_BLOCKS:
            raise CoganError(
                f"The {name.replace('_', '-')} images are of {count} blocks; give at least "
                f"{FEWEST_BLOCKS}, as what blocks have in common can't be told from chance else."
            )
    return found


def checked_labels(labels, reader, stacks):
    """Take labels that are given, or else are measured, and the measured ones beside given ones.

    Parameters
    ----------
    labels : three arrays, or None
    reader : callable, or None
    stacks : dict of str to ndarray
        Of `checked_stacks`.

    Returns
    -------
    given, measured : dicts of str to ndarray, shape (n, q), or None

    Raises
    ------
    CoganError
        If they don't fit, are no numbers, or hold NaN.
    """
    names = ("real", "generated", "held_out")
    given = measured = None
    if labels is not None:
        if isinstance(labels, str) or not hasattr(labels, "__len__") or len(labels) != 3:
            raise CoganError("Give three arrays of labels: real, generated and held-out.")
        given = dict(zip(names, labels, strict=True))
    if reader is not None:
        measured = {name: reader(stacks[name]) for name in names}
    for kind in (given, measured):
        for name in kind or ():
            what = f"The labels of the {name.replace('_', '-')} images"
            values = numbers.as_numbers(what, kind[name], "fiub").astype(float)
            kind[name] = values = values.reshape(len(values), -1) if values.ndim else values
            if values.ndim != 2 or len(values) != len(stacks[name]) or not values.size:
                raise CoganError(
                    f"{len(stacks[name])} {name.replace('_', '-')} images need as many rows of "
                    f"labels, not {values.shape}."
                )
            if not np.isfinite(values).all():
                raise CoganError(f"{what} hold NaN.")
            if np.abs(values).max() > numbers.LARGEST:
                raise CoganError(f"{what} go beyond {numbers.LARGEST:g}; choose another unit.")
    widths = {values.shape[1] for kind in (given, measured) for values in (kind or {}).values()}
    if len(widths) > 1:
        raise CoganError(f"There are {sorted(widths)} labels per image; give all images the same.")
    return (given, measured) if given is not None else (measured, None)

"""Eight members of one sky: made together, and one after the other as eight single skies."""

import numpy as np
import pytest
from bench_growth import COLUMNS, checkpoint
from skies import fwhm_arcmin, gaussian_map

from cogan_lib.gan.recipes import MEMBER_WIDTHS
from cogan_lib.sky.skyfile import Sky
from cogan_lib.synthesis import skies, synthesise

MEMBERS = 8


@pytest.fixture(scope="module")
def sky_and_generator(size, tmp_path_factory):
    """Untrained, and at the smallest NSIDE: on a CPU the generator takes most of the time."""
    nside = size.growth[0]
    names = list(COLUMNS)[:2]
    maps = {
        name: (gaussian_map(nside, seed) + 5).astype(np.float32) for seed, name in enumerate(names)
    }
    sky = Sky(maps, {name: COLUMNS[name][0] for name in maps}, fwhm_arcmin(nside))
    return sky, checkpoint(tmp_path_factory.mktemp("members"), nside, MEMBER_WIDTHS)


def test_members_together(sky_and_generator, measure, agree):
    sky, trained = sky_and_generator
    pairs = [(trained, seed) for seed in range(MEMBERS)]
    made = next(skies(sky, pairs[:2], progress=False)).maps
    alone = synthesise(sky, trained, member=0, progress=False).maps
    worst = max(float(np.abs(made[name] - alone[name]).max()) for name in alone)
    agree("members", "greatest difference of a member from the same one alone", worst, 0.0)
    note = f"{MEMBERS} members of a sky of NSIDE {sky.nside}"
    measure(
        lambda: list(skies(sky, pairs, progress=False)),
        *("members", "ours"),
        count=MEMBERS,
        rounds=1,
        note=note,
    )


def test_members_alone(sky_and_generator, measure):
    """8 divided by the table's ratio is how many single skies the eight take."""
    sky, trained = sky_and_generator
    measure(
        lambda: synthesise(sky, trained, member=0, progress=False),
        *("members", "theirs"),
        rounds=1,
        note="one member alone",
    )

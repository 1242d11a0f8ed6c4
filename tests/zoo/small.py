"""Options that make the networks of a space small, for tests that enumerate the zoo."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "nasbench201": {"N": 1, "C": 8},
    "nasnet": {"N": 1, "filters": 4},
    "darts": {"C": 4, "n_cells": 3},
    "mobilenet": {"max_depth": 2},
    "proxyless": {"layers": 2, "width_share": 0.125},
    "fbnet": {"layers": 2, "width_share": 0.125},
    "ofa_mobilenet_v3": {"max_depth": 2, "width_share": 0.125},
    "ofa_resnet": {"max_extra": 0, "width_share": 0.04},
    "shufflenet_v2_spos": {"max_blocks": 2, "width_share": 0.1},
    "nasbench101": {"C": 6, "N": 1},
    "nasbench1shot1": {"C": 4, "N": 1},
}
"""Space -> options; spaces that are small by themselves are not listed."""

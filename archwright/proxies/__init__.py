"""Zero-cost proxies: numbers of an untrained network that go with its accuracy when trained.

>>> from torch import nn
>>> net = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3))
>>> found = score(net, ["params", "snip", "naswot"], input_shape=(4,), batch=8)
>>> list(found), found["params"]
(['params', 'snip', 'naswot'], 515.0)
"""

from archwright.proxies.aggregation import HOWS, Fitted, Ranking, aggregate
from archwright.proxies.base import Proxy, Scores
from archwright.proxies.registry import BASELINES, COMBINATION, COMBINATION_WEIGHTS, GROUPS, PROXIES
from archwright.proxies.scoring import score
from archwright.proxies.trust import Agreement, agreement, ndcg
from archwright.proxies.zero_cost import ZeroCost

__all__ = [
    "BASELINES",
    "COMBINATION",
    "COMBINATION_WEIGHTS",
    "GROUPS",
    "HOWS",
    "PROXIES",
    "Agreement",
    "Fitted",
    "Proxy",
    "Ranking",
    "Scores",
    "ZeroCost",
    "aggregate",
    "agreement",
    "ndcg",
    "score",
]

"""The conformance suite of search spaces: what every space must do, whoever made it."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Mapping
from typing import Any

from archwright.space import Architecture, Space

# Larger spaces are not enumerated.
_LISTED = 20_000


def check_space(space: Space, n: int = 100, *, seed: int = 0) -> None:
    """Try everything that a space promises, on n random architectures.

    Call it from a test of your own space:

    >>> from archwright.space import Space, choice, integer
    >>> check_space(Space({"op": choice(["conv", "pool"]), "depth": integer(1, 4)}))

    Args:
        space: the space to try. A subclass is tried through its public methods only.
        n: how many random architectures.
        seed: the seed they are drawn with.

    Raises:
        AssertionError: a promise is broken; the message says which, and for which architecture.
    """
    rng = random.Random(seed)
    _check_shape(space)
    if space.size <= _LISTED:
        _check_listing(space)
    previous = space.default
    length = len(space.feature_names)
    for i in range(n):
        arch = space.sample(rng=rng, uniform=bool(i % 2))
        _check_member(space, arch, length)
        _check_moves(space, arch, previous, rng)
        previous = arch
    drawn = [space.sample(seed=seed), space.sample(seed=seed)]
    _hold(drawn[0] == drawn[1], "sample(seed=) must give the same architecture twice", drawn)
    _check_restriction(space, previous)
    _check_copies(space, previous)


def _hold(holds: bool, promise: str, given: Any) -> None:
    # Not `assert`: python -O would remove what a third party relies on.
    if not holds:
        raise AssertionError(f"{promise}; it does not hold for {given!r}")


def _check_shape(space: Space) -> None:
    paths = space.paths
    _hold(len(set(paths)) == len(paths), "paths must differ from each other", paths)
    walked = tuple(d.path for root in space.decisions for d in root.walk())
    _hold(paths == walked, "paths must be those of the tree, in tree order", paths)
    for path in paths:
        decision = space.decision(path)
        _hold(decision.path == path, "decision(path) must have that path", path)
        _hold(decision.domain.contains(decision.default), "a default must be in its domain", path)
    _hold(space.contains(space.default), "the default must be in the space", space.default)
    for line in paths:
        _hold(line in space.describe(), "describe() must show every path", line)


def _check_listing(space: Space) -> None:
    listed = list(space.enumerate())
    _hold(len(listed) == space.size, f"size must be the {len(listed)} enumerated", space.size)
    _hold(len(set(listed)) == len(listed), "enumerate() must not repeat itself", space)
    for arch in listed[:1000]:
        _hold(space.contains(arch), "what is enumerated must be in the space", arch)


def _check_member(space: Space, arch: Architecture, length: int) -> None:
    reason = space.why_not(arch)
    _hold(reason is None, f"a sample must be in the space ({reason})", arch)
    checked = space.check(Architecture(dict(reversed(list(arch.items())))))
    _hold(checked == arch, "check() must give back what it accepts", arch)
    _hold(list(checked) == list(arch), "samples must be in tree order", arch)
    read = Architecture.from_json(arch.to_json())
    _hold(read == arch and hash(read) == hash(arch), "JSON must keep the architecture", arch)
    _hold(read.id == arch.id, "JSON must keep the id", arch)
    _hold(space.check(read) == arch, "an architecture read from JSON must be accepted", arch)

    features, mask = space.encode(arch), space.encode_mask(arch)
    _hold(features.shape == (length,), "encode() must have one fixed length", arch)
    _hold(mask.shape == (length,), "encode_mask() must have the length of encode()", arch)
    _hold(bool((features >= 0).all() and (features <= 1).all()), "features lie in 0..1", arch)
    _hold(not features[~mask].any(), "features of what is not live must be zero", arch)

    canonical = space.canonical(arch)
    _hold(canonical == space.canonical(read), "equal architectures have one canonical form", arch)
    _hold(canonical == space.canonical(arch), "canonical() must be the same each time", arch)


def _check_moves(space: Space, arch: Architecture, other: Architecture, rng: random.Random) -> None:
    movable = [p for p in arch if space.decision(p).domain.size > 1]
    for how in ({}, {"n": 3}, {"rate": 0.3}):
        moved = space.mutate(arch, rng=rng, **how)
        reason = space.why_not(moved)
        _hold(reason is None, f"mutate() must stay in the space ({reason})", (arch, moved))
        if movable and space.size > 1:
            _hold(moved != arch, "mutate() must change something", arch)
    if not space.constraints:
        moved = space.mutate(arch, rng=rng)
        differing = [p for p in arch if p in moved and moved[p] != arch[p]]
        _hold(
            len(differing) == min(1, len(movable)), "mutate(n=1) must change one value", differing
        )
    child = space.crossover(arch, other, rng=rng)
    reason = space.why_not(child)
    _hold(reason is None, f"crossover() must stay in the space ({reason})", (arch, other, child))
    for path, value in child.items():
        parents = [parent[path] for parent in (arch, other) if path in parent]
        _hold(not parents or value in parents, "a child has a parent's values", (path, value))
    for near in space.neighbours(arch)[:50]:
        reason = space.why_not(near)
        _hold(reason is None, f"neighbours must be in the space ({reason})", near)
        differing = [p for p in arch if p in near and near[p] != arch[p]]
        _hold(len(differing) == 1, "a neighbour differs in one decision", differing)


def _check_restriction(space: Space, arch: Architecture) -> None:
    if not arch:
        return
    pins: Mapping[str, Any] = {
        path: [value] for path, value in arch.items() if not isinstance(value, float)
    }
    small = space.restrict(pins)
    _hold(small.contains(arch), "restricted to its own values, a space must keep them", arch)
    _hold(small.size <= space.size, "a restricted space must not be larger", small)
    if len(pins) == len(arch):
        _hold(small.size == 1, "restricted to one architecture, a space has size 1", small)
        _hold(small.default == arch, "the only architecture must be the default", arch)


def _check_copies(space: Space, arch: Architecture) -> None:
    description = json.loads(json.dumps(space.to_dict()))
    copy = Space.from_dict(description)
    _hold(copy.to_dict() == space.to_dict(), "to_dict() must survive JSON", space)
    _hold(copy.fingerprint == space.fingerprint, "a copy must have the same fingerprint", space)
    _hold(copy.size == space.size, "a copy must have the same size", space)
    _hold(copy.canonical(arch) == space.canonical(arch), "a copy must agree on canonical()", arch)
    again = pickle.loads(pickle.dumps(arch))
    _hold(again == arch and again.id == arch.id, "pickle must keep the architecture", arch)

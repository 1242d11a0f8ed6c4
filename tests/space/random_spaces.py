"""Small random conditional spaces for the property tests."""

from hypothesis import strategies as st

from archwright.space import Branch, Choice, Decision, EdgeLimit, Integer, Real, Space, Subset

_NAMES = ["conv", "pool", "skip", "none", None, True, 1.5, 7]


@st.composite
def domains(draw, reals=False):
    kind = draw(st.sampled_from(["choice", "integer", "subset"] + ["real"] * reals))
    if kind == "choice":
        return Choice(draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True)))
    if kind == "integer":
        low = draw(st.integers(1, 4))
        return Integer(
            low, low + draw(st.integers(0, 4)), draw(st.integers(1, 2)), draw(st.booleans())
        )
    if kind == "real":
        low = draw(st.floats(0.01, 1))
        return Real(low, low + draw(st.floats(0.1, 5)), draw(st.booleans()))
    n = draw(st.integers(1, 3))
    low = draw(st.integers(0, n))
    return Subset(n, low, draw(st.integers(low, n)))


@st.composite
def decisions(draw, prefix="", depth=0, reals=False):
    found = []
    for i in range(draw(st.integers(1, 3 if depth == 0 else 2))):
        path = f"{prefix}d{i}"
        domain = draw(domains(reals=reals))
        branches = []
        if depth < 2 and not isinstance(domain, Real):
            values = list(domain.values())
            for j in range(draw(st.integers(0, 2))):
                subset = draw(st.sets(st.sampled_from(values), min_size=1))
                branches.append(
                    Branch(subset, draw(decisions(f"{path}.{j}/", depth + 1, reals=reals)))
                )
        default = (
            draw(st.sampled_from(list(domain.values()))) if domain.size < 99 else domain.default
        )
        found.append(Decision(path, domain, default, tuple(branches), origin="net.py:1"))
    return found


@st.composite
def spaces(draw, reals=False, limits=True, largest=3000):
    roots = draw(decisions(reals=reals))
    constraints = []
    subsets = [d for root in roots for d in root.walk() if isinstance(d.domain, Subset)]
    if subsets and limits and draw(st.booleans()):
        chosen = draw(st.sets(st.sampled_from([d.path for d in subsets]), min_size=1))
        least = sum(d.domain.low for d in subsets if d.path in chosen)
        constraints.append(EdgeLimit(sorted(chosen), least + draw(st.integers(0, 2))))
    space = Space(roots, constraints=constraints)
    if not reals:
        from hypothesis import assume

        assume(space.size <= largest)
    return space

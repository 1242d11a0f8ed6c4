"""Plain torch modules for what torch has no container for: graphs of modules.

A built network may hold no class of Archwright's, so a cell, a selection of inputs and an
attention become `torch.fx.GraphModule`s: torch's own class, with a readable `forward`
generated from a graph, which copies, pickles and exports like any other module.
"""

from __future__ import annotations

import linecache
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from torch import fx, nn

# Making a GraphModule takes half a millisecond, as much as three convolutions; copying one
# that was made before takes a twentieth of that.
_MOST = 512
_templates: OrderedDict[Hashable, fx.GraphModule] = OrderedDict()


def carrier(
    key: Hashable, draw: Callable[[fx.Graph], None], modules: Mapping[str, nn.Module]
) -> fx.GraphModule:
    """A GraphModule.

    Args:
        key: equal for equal graphs.
        draw: puts the nodes into an empty graph, where none was drawn for the key lately.
        modules: the modules that the graph calls.
    """
    template = _templates.get(key)
    if template is None:
        graph = fx.Graph()
        draw(graph)
        template = fx.GraphModule({name: nn.Module() for name in modules}, graph)
        if len(_templates) >= _MOST:
            _forget(_templates.popitem(last=False)[1])
        _templates[key] = template
    else:
        _templates.move_to_end(key)
    return _copy(template, modules)


def _copy(template: fx.GraphModule, modules: Mapping[str, nn.Module]) -> fx.GraphModule:
    made = fx.GraphModule.__new__(fx.GraphModule)  # gives it a class of its own
    nn.Module.__init__(made)
    own = made.__dict__
    for name, value in template.__dict__.items():
        if name not in own:
            own[name] = value.copy() if type(value) in (list, dict) else value
    made._modules.update(modules)
    cls: Any = type(made)
    cls.forward = vars(type(template))["forward"]
    return made


def _forget(template: fx.GraphModule) -> None:
    """Drop the source of a forward that torch keeps for ever (it serves tracebacks only)."""
    file = vars(type(template))["forward"].__code__.co_filename
    linecache.cache.pop(file, None)
    loader = getattr(fx.graph_module, "_loader", None)
    if loader is not None:
        loader.eval_cache.pop(file, None)

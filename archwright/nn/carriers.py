"""Plain torch modules for what torch has no container for: graphs of modules.

A built network may hold no class of Archwright's, so a cell, a selection of inputs and an
attention become `torch.fx.GraphModule`s: torch's own class, with a readable `forward`
generated from a graph, which copies, pickles and exports like any other module.
"""

from __future__ import annotations

import copy
import linecache
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from torch import fx, nn

# Making a GraphModule takes half a millisecond, as much as three convolutions; here those with
# equal graphs share the generated class and the graph, until one of them is edited.
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
        template.__class__ = _shared_class(template)
        if len(_templates) >= _MOST:
            _forget(_templates.popitem(last=False)[1])
        _templates[key] = template
    else:
        _templates.move_to_end(key)
    made: fx.GraphModule = object.__new__(type(template))
    own = made.__dict__
    for name, value in template.__dict__.items():
        own[name] = value.copy() if isinstance(value, _CONTAINERS) else value
    own["_modules"] = dict(modules)
    return made


_CONTAINERS = (dict, list, set)


def _shared_class(module: fx.GraphModule) -> type[fx.GraphModule]:
    """The class of all GraphModules with this graph; whoever looks at its graph leaves it."""
    own = {"graph": property(_graph, _set_graph), "recompile": _recompile}
    return _generated_class(module, own)


def _generated_class(module: fx.GraphModule, more: dict[str, Any]) -> type[fx.GraphModule]:
    # Named as torch names them: it knows by the name that these classes are generated.
    names = {"__module__": fx.GraphModule.__module__, "__qualname__": "GraphModuleImpl"}
    return type(
        "GraphModuleImpl",
        (fx.GraphModule,),
        {"forward": vars(type(module))["forward"], **names, **more},
    )


def _leave(module: fx.GraphModule) -> None:
    """Give a module a class and a graph of its own, as torch does from the start."""
    module.__class__ = _generated_class(module, {})
    module.__dict__["_graph"] = graph = copy.deepcopy(module._graph)
    graph.owning_module = module


def _graph(module: fx.GraphModule) -> fx.Graph:
    _leave(module)
    return module.graph


def _set_graph(module: fx.GraphModule, graph: fx.Graph) -> None:
    _leave(module)
    module.graph = graph


def _recompile(module: fx.GraphModule) -> Any:
    _leave(module)
    return module.recompile()


def _forget(template: fx.GraphModule) -> None:
    """Drop the source of a forward that torch keeps for ever (it serves tracebacks only)."""
    file = vars(type(template))["forward"].__code__.co_filename
    linecache.cache.pop(file, None)
    loader = getattr(fx.graph_module, "_loader", None)
    if loader is not None:
        loader.eval_cache.pop(file, None)

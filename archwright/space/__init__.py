"""Search spaces: decisions, architectures and what can be done with them, free of torch."""

from archwright.space.architecture import Architecture as Architecture
from archwright.space.cells import CellEdge as CellEdge
from archwright.space.cells import CellGraph as CellGraph
from archwright.space.cells import CellNode as CellNode
from archwright.space.cells import Fixed as Fixed
from archwright.space.constraints import EdgeLimit as EdgeLimit
from archwright.space.decisions import Branch as Branch
from archwright.space.decisions import Decision as Decision
from archwright.space.domains import Choice as Choice
from archwright.space.domains import Domain as Domain
from archwright.space.domains import Integer as Integer
from archwright.space.domains import Real as Real
from archwright.space.domains import Scalar as Scalar
from archwright.space.domains import Subset as Subset
from archwright.space.domains import Value as Value
from archwright.space.domains import choice as choice
from archwright.space.domains import domain_from_dict as domain_from_dict
from archwright.space.domains import integer as integer
from archwright.space.domains import real as real
from archwright.space.domains import subset as subset
from archwright.space.origin import user_origin as user_origin
from archwright.space.space import Space as Space

__all__ = [
    "Architecture",
    "Branch",
    "CellEdge",
    "CellGraph",
    "CellNode",
    "Choice",
    "Decision",
    "Domain",
    "EdgeLimit",
    "Fixed",
    "Integer",
    "Real",
    "Scalar",
    "Space",
    "Subset",
    "Value",
    "choice",
    "domain_from_dict",
    "integer",
    "real",
    "subset",
    "user_origin",
]

"""Weights in a safetensors file, and the lines of plain Python that read it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import nn

from archwright.errors import ExportError

TYPES: Final = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save_weights(
    model: nn.Module, constants: dict[str, torch.Tensor], path: Path
) -> dict[str, str]:
    """Write the weights of a network; a tensor that has several names is written once.

    Args:
        model: the network.
        constants: further tensors by name.
        path: the file to write.

    Returns:
        The names that were left out, each with the name under which its tensor is.

    Raises:
        ExportError: the state of the model holds more than tensors.
    """
    tensors: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    first: dict[int, str] = {}
    for name, tensor in [*model.state_dict(keep_vars=True).items(), *constants.items()]:
        if not isinstance(tensor, torch.Tensor):
            raise ExportError(f"the state of the network holds {name}, which is no tensor")
        if tensor.dtype not in TYPES:
            raise ExportError(f"{name} is of type {tensor.dtype}, which the file cannot hold")
        if id(tensor) in first:
            aliases[name] = first[id(tensor)]
            continue
        first[id(tensor)] = name
        # a copy, because safetensors refuses tensors that share memory
        tensors[name] = tensor.detach().cpu().contiguous().clone()
    save_file(tensors, path)
    return aliases


def reading_code(
    model: nn.Module, constants: dict[str, torch.Tensor], aliases: dict[str, str]
) -> str:
    """The functions `read_weights` and `load` of a written network."""
    kinds = {t.dtype for t in [*model.state_dict().values(), *constants.values()]}
    table = ", ".join(f'"{TYPES[k]}": {k}' for k in TYPES if k in kinds)
    same = ""
    if aliases:
        pairs = "".join(f'    "{name}": "{source}",\n' for name, source in aliases.items())
        same = f"# Weights that are shared: the file holds them once.\nSHARED = {{\n{pairs}}}\n\n\n"
    share = (
        "    for name, source in SHARED.items():\n        tensors[name] = tensors[source]\n"
        if aliases
        else ""
    )
    return f'''{same}def read_weights(path):
    """The tensors of a safetensors file: a length, a header in JSON, and the raw numbers."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    types = {{{table}}}
    tensors = {{}}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensor = torch.empty(0, dtype=torch.uint8)
        if end > begin:
            tensor = torch.frombuffer(
                data, dtype=torch.uint8, count=end - begin, offset=start + begin
            )
        # the copy lies where its type may lie
        tensors[name] = tensor.clone().view(types[entry["dtype"]]).reshape(entry["shape"])
{share}    return tensors


def load(weights=Path(__file__).with_name("weights.safetensors")):
    """The trained network, ready for inference on the CPU."""
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
        network = build()
    network.load_state_dict(read_weights(weights), strict=True, assign=True)
    return network.eval()
'''

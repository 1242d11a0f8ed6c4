"""The README of an export: what it is, its figures, and how to use each file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archwright.hardware import format_quantity


def write_readme(
    *,
    name: str,
    input_shape: Sequence[int],
    input_dtype: str,
    output_shape: Sequence[int],
    files: Mapping[str, int],
    agreement: Mapping[str, float],
    skipped: Mapping[str, str],
    metrics: Mapping[str, Any],
    machine: str,
    preprocessing: Mapping[str, Any] | None,
    space_name: str | None,
    version: str,
) -> str:
    """The text of README.md.

    Args:
        name: the class of the network.
        input_shape: the shape of one sample.
        input_dtype: the type of the input's numbers.
        output_shape: the shape of the output for one sample.
        files: name -> bytes of the files that were written.
        agreement: format -> largest difference from the trained network, relative to its outputs.
        skipped: format -> reason why it is not there.
        metrics: name -> measured figure.
        machine: the machine on which latencies were measured.
        preprocessing: the preprocessing as in preprocessing.json, or None.
        space_name: the search space that the network is from.
        version: Archwright's version.

    Returns:
        Markdown.
    """
    one = ", ".join(str(n) for n in input_shape)
    shape = f"(batch, {one})" if one else "(batch,)"
    result = ", ".join(["batch", *(str(n) for n in output_shape)])
    parts = [f"# {name}\n"]
    origin = f" found in the search space `{space_name}`" if space_name else ""
    parts.append(
        f"A trained neural network{origin}, exported by Archwright {version}. It takes "
        f"`{input_dtype}` of shape `{shape}` and returns `({result})`. It needs neither Archwright "
        "nor the code that made it.\n"
    )
    if metrics:
        parts.append("## Measured\n")
        rows = [f"| {key} | {_figure(key, value)} |" for key, value in metrics.items()]
        parts.append("\n".join(["| figure | value |", "|---|---|", *rows]) + "\n")
        if any("latency" in key for key in metrics):
            parts.append(f"Latency was measured on {machine}.\n")
    parts.append("## Files\n")
    rows = [
        f"| `{file}` | {format_quantity(size, 'size_bytes')} | {_FILES.get(file, '')} |"
        for file, size in files.items()
    ]
    parts.append("\n".join(["| file | size | what it is |", "|---|---|---|", *rows]) + "\n")
    checks = [
        f"`{_OF_FORMAT[kind]}` "
        + (f"by at most {difference:.1e} of the outputs' size" if difference else "not at all")
        for kind, difference in agreement.items()
    ]
    if checks:
        parts.append(
            "Each was run again after writing, at batch sizes 1, 2 and 5. They differ from the "
            f"trained network so: {', '.join(checks)}.\n"
        )
    for kind, reason in skipped.items():
        parts.append(f"`{_OF_FORMAT[kind]}` was not written: {reason}.\n")
    parts.append("## Use\n")
    parts.append(_preprocessing_text(preprocessing, shape))
    zeros = f"(1, {one})" if one else "(1,)"
    if "model.onnx" in files:
        parts.append(
            "With onnxruntime (no torch needed):\n\n```python\n"
            "import numpy as np\nimport onnxruntime\n\n"
            'session = onnxruntime.InferenceSession("model.onnx")\n'
            f"x = np.zeros({zeros}, dtype=np.{input_dtype})  # prepared input\n"
            '(outputs,) = session.run(None, {"input": x})\n```\n'
        )
    if "model.py" in files:
        parts.append(
            "With the plain PyTorch source (imports torch alone; copy `model.py` and "
            "`weights.safetensors` together):\n\n```python\nimport torch\n\nimport model\n\n"
            "network = model.load()\nwith torch.inference_mode():\n"
            f"    outputs = network(torch.zeros({zeros}, dtype=torch.{input_dtype}))\n```\n"
        )
    if "model.pt2" in files:
        parts.append(
            "With the `torch.export` program (the same or a later torch):\n\n```python\n"
            'import torch\n\nnetwork = torch.export.load("model.pt2").module()\n'
            "with torch.inference_mode():\n"
            f"    outputs = network(torch.zeros({zeros}, dtype=torch.{input_dtype}))\n```\n"
        )
    if preprocessing is not None:
        parts.append(
            "With Archwright, from raw data to a table of predictions:\n\n```sh\n"
            "archwright predict . DATA --out predictions.csv\n```\n\n```python\n"
            "from archwright.export import load_exported\n\n"
            'predictions = load_exported(".").predict(raw)\n'
            "predictions.values, predictions.probabilities, predictions.frame()\n```\n"
        )
    return "\n".join(parts)


_FILES = {
    "model.onnx": "the network for onnxruntime and other ONNX runtimes; the batch size is free",
    "model.pt2": "the network as a `torch.export` program",
    "model.py": "the network as plain PyTorch source, with `load()`",
    "weights.safetensors": "the weights that `model.py` loads",
    "architecture.json": "the decisions that the search made",
    "preprocessing.json": "how raw data becomes input, and what the outputs mean",
    "export.json": "what is in this folder, for programs",
}
_OF_FORMAT = {"onnx": "model.onnx", "pt2": "model.pt2", "source": "model.py"}


def _figure(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return format_quantity(value, name)


def _preprocessing_text(preprocessing: Mapping[str, Any] | None, shape: str) -> str:
    if preprocessing is None:
        return f"The input is taken as it is: prepare your data to shape `{shape}` yourself.\n"
    inputs = preprocessing.get("inputs", {})
    target = preprocessing.get("target", {})
    lines = [
        "The network takes *prepared* input; `preprocessing.json` holds all constants, fitted on "
        "the training data only."
    ]
    modality = inputs.get("modality")
    if modality == "image":
        lines.append(
            f"Images: resize to {inputs.get('height')} x {inputs.get('width')} with "
            f"{inputs.get('channels')} channel(s), channels first; then subtract the channel's "
            f"mean {_short(inputs.get('mean'))} and divide by its standard deviation "
            f"{_short(inputs.get('std'))}"
            + (" (pixel values 0 to 255)." if inputs.get("eight_bit") else ".")
        )
    elif modality == "tabular":
        names = [str(c.get("name")) for c in inputs.get("columns", [])]
        lines.append(
            f"Columns of the table: {', '.join(f'`{n}`' for n in names)}. Missing values are "
            "filled, categories become one column each, numbers are standardised, with the "
            "constants given there for each column."
        )
    elif modality == "other" and inputs.get("mean"):
        lines.append(
            f"Along the first axis subtract the mean {_short(inputs.get('mean'))} and divide by "
            f"{_short(inputs.get('std'))}."
        )
    labels = target.get("labels")
    if target.get("kind") == "classification" and labels:
        shown = ", ".join(str(label) for label in labels[:20])
        more = f" and {len(labels) - 20} more" if len(labels) > 20 else ""
        lines.append(
            f"The outputs are logits of the classes {shown}{more}, in this order: a softmax gives "
            "the probabilities."
        )
    elif target.get("kind") == "multilabel":
        lines.append("The outputs are logits, one a label: a sigmoid gives the probabilities.")
    elif target.get("kind") == "regression":
        lines.append(
            "The outputs are standardised: multiply by the target's `scale` "
            f"{_short(target.get('scale'))} and add its `mean` {_short(target.get('mean'))}."
        )
    return " ".join(lines) + "\n"


def _short(values: Any) -> str:
    if not isinstance(values, (list, tuple)):
        return f"`{values}`"
    shown = ", ".join(f"{v:.6g}" if isinstance(v, float) else str(v) for v in values[:8])
    return f"`{shown}{', ...' if len(values) > 8 else ''}`"

"""``archwright predict``: predictions of an exported network, from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archwright.cli.arguments import check_count, check_data, there
from archwright.cli.guard import guarded
from archwright.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@guarded
def predict(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="The exported network: a run's export folder.")
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A CSV or Parquet file with the columns that the network was trained on, an "
            "image, a folder of images (nested or flat), or an .npy or .npz file.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FILE.csv", help="Where to write; - for standard output."),
    ] = Path("-"),
    batch_size: Annotated[int, typer.Option(help="Rows at a time.")] = 256,
) -> None:
    """Predict new data with an exported network.

    Examples:
      archwright predict runs/digits-1/export new.csv --out predictions.csv
      archwright predict runs/photos-1/export holiday/ --out predictions.csv

    The table has the row's number from 0 (or the image's file name), the prediction, and for
    classes the probability of each. The folder is all that is needed: neither the run nor the
    training data.
    """
    check_count("--batch-size", batch_size)
    check_export(export)
    check_data(data)
    there("--out", out)
    table = predictions(export, data, batch_size=batch_size)
    if str(out) == "-":
        typer.echo(table.to_csv(index=False), nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False)
    except OSError as error:
        raise InputError(
            f"--out {str(out)!r} cannot be written: {error.strerror or error}; give another path"
        ) from None
    typer.echo(f"{len(table):,} predictions: {out}")


def check_export(export: Path) -> None:
    """Refuse what is no exported network.

    Raises:
        InputError: it is missing, a file, or holds no exported network.
    """
    if not there("EXPORT", export):
        raise InputError(f"EXPORT: there is no folder {str(export)!r}")
    if not export.is_dir():
        raise InputError(
            f"EXPORT: {str(export)!r} is a file; name the folder of the exported network"
        )
    if not (export / "export.json").exists():
        inner = export / "export"
        hint = f"; did you mean {str(inner)!r}?" if inner.is_dir() else ""
        raise InputError(f"EXPORT: {str(export)!r} holds no exported network{hint}")


def predictions(export: Path, data: str, *, batch_size: int = 256) -> pd.DataFrame:
    """The predictions as a table: ``row`` or ``file``, ``prediction``, probabilities.

    Raises:
        InputError: the data cannot be read, or is not what the network was trained on.
    """
    from archwright.export import load_exported

    predictor = load_exported(export)
    preparation = predictor.preprocessing
    if preparation is None:
        raise InputError(
            f"the network in {str(export)!r} was exported without the preparation of its data; "
            "use archwright.load_exported(folder).predict(array) in Python"
        )
    names, inputs = preparation.read(data)
    outputs = predictor.outputs(inputs, batch_size=batch_size)
    table = preparation.decode(outputs).frame()
    arrays = Path(data).suffix.lower() in (".npy", ".npz")
    files = preparation.modality == "image" and not arrays
    # As text, so that a class named 007 stays one.
    table.insert(0, "file" if files else "row", names)
    return table

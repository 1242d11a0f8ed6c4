"""The state of a training on disk: written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from archwright.errors import InputError, LedgerError

FILE = "supernet.pt"
FORMAT = 1


class Checkpoint:
    """One file in a folder, replaced at once.

    Args:
        folder: made if it is not there.
        identity: what the training depends on, as plain values; another training's file is
            refused.

    Raises:
        InputError: the folder is a file.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any]) -> None:
        self.folder = Path(folder).absolute()
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"checkpoint={str(folder)!r} is a file; name a folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._identity = dict(identity)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace what is there."""
        part = self.path.with_suffix(".part")
        torch.save({"format": FORMAT, "identity": self._identity, **state}, part)
        part.replace(self.path)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """What was saved last, or None; tensors and plain values only, no code.

        Raises:
            LedgerError: it cannot be read, or is another training's.
        """
        if not self.path.exists():
            return None
        where = f"the folder {str(self.folder)!r}"
        try:
            # Generators' states must stay on the CPU; modules move what they load by themselves.
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise LedgerError(
                f"{where} holds a checkpoint that cannot be read ({type(error).__name__}): remove "
                f"{FILE}, or choose another folder"
            ) from None
        if state.get("format") != FORMAT:
            raise LedgerError(f"{where} holds a checkpoint of another version: choose another")
        differing = [
            f"its {name} was {state['identity'].get(name)!r}, now it is {value!r}"
            for name, value in self._identity.items()
            if state["identity"].get(name) != value
        ]
        if differing:
            raise LedgerError(
                f"{where} holds the training of another supernet: {'; '.join(differing)}. Choose "
                "another folder, or remove that one"
            )
        return state

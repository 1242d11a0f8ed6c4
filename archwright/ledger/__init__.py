"""Where trials are kept: an Optuna study, or nothing beyond the process."""

from archwright.ledger.base import KeptValues, Ledger, MemoryLedger
from archwright.ledger.optuna_ledger import OptunaLedger

__all__ = ["KeptValues", "Ledger", "MemoryLedger", "OptunaLedger"]

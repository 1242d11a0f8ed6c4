"""``python -m archwright.cli`` is ``archwright``."""

from archwright.cli.app import main

main()

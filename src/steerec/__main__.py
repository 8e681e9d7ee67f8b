"""`python -m steerec`."""

from steerec.cli import main

main()

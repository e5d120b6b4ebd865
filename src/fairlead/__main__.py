"""The composition root: the only place that wires parts together."""

from fairlead.cli import main

if __name__ == "__main__":
    main()

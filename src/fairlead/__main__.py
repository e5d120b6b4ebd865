"""The composition root: the only place that wires parts together."""

import signal

_interrupted = signal.getsignal(signal.SIGINT)
if _interrupted is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while nothing is done yet: no stack trace of an import

from fairlead.cli import main  # noqa: E402  # see above

if _interrupted is signal.default_int_handler:
    signal.signal(signal.SIGINT, _interrupted)

if __name__ == "__main__":
    main()

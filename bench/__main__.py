"""`make bench`: runs each benchmark inside the sandbox; a table for people, with --json one object a line."""

import json
import sys

from bench import api, bringup

BENCHMARKS = {"api": api.run, "bringup": bringup.run}


def main(arguments: list[str]) -> None:
    chosen = [name for name in arguments if not name.startswith("-")] or list(BENCHMARKS)
    for name in chosen:
        for result in BENCHMARKS[name]():
            if "--json" in arguments:
                print(json.dumps(result))
            else:
                peer = (
                    f"   {result['peer']} {result['peer_value']:.3f}   ratio {result['ratio']:.2f}"
                    if result["peer"]
                    else ""
                )
                print(f"{result['name']:<44} {result['value']:10.3f} {result['unit']:<10}{peer}")


if __name__ == "__main__":
    main(sys.argv[1:])

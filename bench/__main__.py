"""`make bench`: runs each benchmark inside the sandbox; a table for people, with --json one object a line."""

import argparse
import importlib

BENCHMARKS = (
    "api",
    "watch",
    "bringup",
    "images",
    "live",
    "scale",
    "network",
    "proxy",
    "iptables",
    "ipvs",
    "dataplane",
    "last",
    "loadbalancer",
    "ingress",
    "dns",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; all where none is named")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    for name in options.names or BENCHMARKS:
        for result in importlib.import_module(f"bench.{name}").run():
            print(result.to_json() if options.json else result.to_line(), flush=True)


if __name__ == "__main__":
    main()

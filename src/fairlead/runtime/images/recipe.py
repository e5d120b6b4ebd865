"""What an image is made of that this machine makes itself. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

BUILT_FROM = "fairlead.dev/built-from"  # the label that says what an image was made of
Copy = tuple[str, str]  # a file here → its place in the image


def no_copies() -> Iterable[Copy]:
    return ()


def no_facts() -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """`packages`: which one provides it, the first that is installed; `also` are needed beside it, and come whole;
    `perhaps` come where they are installed. With `whole`, everything comes that they depend on.

    `files`, `programs` (files that can be run) and `links` go over the packages' own; what matches `left_out`
    (beginnings of paths) does not come along. `copies` are further files, `own` those that change more often than all
    others: they are a layer by themselves, with `beside`, which follows from them. `facts` say, beside the packages'
    versions and the `repr` of this, what the image depends on. `bound_ports`: programs that may listen on ports below
    1024 whoever runs them (capabilities(7)).
    """

    packages: tuple[str, ...]
    command: tuple[str, ...]
    also: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    whole: bool = False
    entrypoint: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    copies: Callable[[], Iterable[Copy]] = field(default=no_copies, repr=False)
    own: Callable[[], Iterable[Copy]] = field(default=no_copies, repr=False)
    beside: Callable[[], Iterable[Copy]] = field(default=no_copies, repr=False)
    facts: Callable[[], Iterable[str]] = field(default=no_facts, repr=False)
    origin: str = ""  # told beside the packages
    bound_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = "nobody"  # the name of 101 in the image's /etc/passwd
    ports: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"
    left_out: tuple[str, ...] = ("/usr/share/doc", "/usr/share/man", "/usr/share/lintian", "/lib/systemd")

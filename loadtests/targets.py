"""What is measured: by name, a command line and the configuration file it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loadtests import build
from loadtests.processes import Program, start

COLD = "-cold"
# Ports above the provider's, so that one --port moves everything.
PORT_OF = {
    "nginx": 101,
    "envoy": 103,
    "weighbridge": 110,
    "weighbridge-baseline": 111,
    "weighbridge-default": 112,
    "weighbridge-operator": 113,
    "weighbridge-full": 114,
}
OPERATOR_PORT = 190
FIRST_OTHER_PORT = 120
DEFAULT = [
    "direct", "nginx", "envoy", "weighbridge", "weighbridge-cold", "weighbridge-baseline", "weighbridge-full",
    "weighbridge-default",
]  # fmt: skip


@dataclass
class Site:
    """Where a run takes place.

    Attributes:
        port: The provider's port on loopback.
        home: A folder for configuration, logs and data of this run.
        peers: Where other people's programs are installed.
        cpu: The CPU of the gateway under test.
        others: Command lines given by the user, by name; ``{port}`` and ``{upstream}`` are filled in.
    """

    port: int
    home: Path
    peers: Path
    cpu: int
    others: dict[str, str] = field(default_factory=dict)

    @property
    def upstream(self) -> str:
        """Host and port of the provider."""
        return f"127.0.0.1:{self.port}"

    def configured(self, target: str, template: str) -> Path:
        """Fill in a file of ``conf/`` for a target."""
        home = self.home / target
        home.mkdir(parents=True, exist_ok=True)
        content = (build.HERE / "conf" / template).read_text()
        for mark, value in {
            "@HOME@": home,
            "@PORT@": self.port_of(target),
            "@UPSTREAM@": self.upstream,
            "@UPSTREAM_PORT@": self.port,
            "@POLICIES@": build.HERE.parent / "policies",
        }.items():
            content = content.replace(mark, str(value))
        path = home / template
        path.write_text(content)
        return path

    def port_of(self, target: str) -> int:
        """The port on which a target listens."""
        if target in self.others:
            return self.port + FIRST_OTHER_PORT + list(self.others).index(target)
        return self.port + PORT_OF[target]


def nginx_command(site: Site) -> list[str]:
    """Nginx with one worker."""
    return [str(build.nginx()), "-c", str(site.configured("nginx", "nginx.conf"))]


def envoy_command(site: Site) -> list[str]:
    """Envoy with one worker thread."""
    configuration = site.configured("envoy", "envoy.yaml")
    options = ["--concurrency", "1", "-l", "error", "--disable-hot-restart"]
    return [str(build.envoy(site.peers)), "-c", str(configuration), *options]


def weighbridge_command(
    target: str, template: str = "", *, operator: bool = False, transparent: bool = True
) -> Callable[[Site], list[str]]:
    """``weighbridge serve`` with one worker.

    Args:
        transparent: Everything goes to the provider; else the configuration says what goes where.
        template: The configuration in ``conf/``; none: what a user gets who writes none.
        operator: Also start the operator process, on the same CPU; its use is not counted.
    """

    def command(site: Site) -> list[str]:
        listen = f"127.0.0.1:{site.port_of(target)}"
        line = [str(build.weighbridge()), "serve", "--listen", listen, "--workers", "1"]
        line += ["--upstream", f"http://{site.upstream}/v1"] if transparent else []
        line += ["--operator", f"127.0.0.1:{site.port + OPERATOR_PORT}"] if operator else ["--no-operator"]
        return [*line, "-c", str(site.configured(target, template))] if template else line

    return command


COMMANDS: dict[str, Callable[[Site], list[str]]] = {
    "nginx": nginx_command,
    "envoy": envoy_command,
    "weighbridge": weighbridge_command("weighbridge", "weighbridge-bare.yaml"),
    "weighbridge-baseline": weighbridge_command("weighbridge-baseline", "weighbridge-baseline.yaml"),
    "weighbridge-full": weighbridge_command("weighbridge-full", "weighbridge-full.yaml", transparent=False),
    "weighbridge-default": weighbridge_command("weighbridge-default"),
    "weighbridge-operator": weighbridge_command("weighbridge-operator", operator=True),
}


def known(target: str, others: dict[str, str]) -> bool:
    """The name is one we can start. ``direct`` needs nothing started."""
    return target == "direct" or target.removesuffix(COLD) in COMMANDS or target.removesuffix(COLD) in others


def launch(site: Site, target: str) -> Program:
    """Start a target that is not ``direct``. ``NAME-cold`` is served by the same program as ``NAME``."""
    if target in site.others:
        command = site.others[target].format(port=site.port_of(target), upstream=site.upstream).split()
    else:
        command = COMMANDS[target](site)
    ignored = site.port + OPERATOR_PORT if target == "weighbridge-operator" else 0
    return start(target, site.port_of(target), command, cpu=site.cpu, home=site.home / target, ignored_port=ignored)

"""Tables, ratios and a plot of what was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .clients import LOCAL_CLIENTS, WIRE_CLIENTS, ClientType, find_client, version
from .server import Ceiling, processor
from .workloads import MIB, LinkKind, Result, Workload

PEERS = ("obstore", "aiobotocore")
SUBJECTS = {
    "aiostore": PEERS,
    "aiostore-aws": PEERS,
    "aiostore-azure": ("obstore-azure", "azure-sdk"),
    "aiostore-oss": ("oss2", "oss-v2"),
}
"""Our clients, and whom each is compared with."""
DISTURBED = 0.1
"""Above this share of a core taken by others a measurement is repeated, and a ratio is no verdict."""
VARIANTS = {"obstore": ("obstore", "obstore-unsigned")}
"""Peers that can be told how to sign: an upload is compared with the one that signs like the subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One client, one workload, one round."""

    workload: str
    link: LinkKind
    client: str
    round: int
    rate: float
    unit: str
    result: Result
    server_busy: float
    """The share of its core the server used meanwhile; near 1 it was the bottleneck."""
    payload: str
    """How the PUTs of this measurement were signed, as the server saw it."""
    disturbed: float
    """The share of the clients' or of the server's core that other programs, or the hypervisor, took meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A client that did not do a workload."""

    workload: str
    link: LinkKind
    client: str
    reason: str


@dataclass(slots=True)
class Report:
    """Everything one run found."""

    machine: dict[str, str]
    versions: dict[str, str]
    ceilings: list[Ceiling]
    measurements: list[Measurement]
    failures: list[Failure]
    retakes: int
    """Measurements repeated because they were disturbed."""

    def of(self, workload: str, link: LinkKind, client: str) -> list[Measurement]:
        return [m for m in self.measurements if (m.workload, m.link, m.client) == (workload, link, client)]

    def rows(self) -> list[tuple[str, LinkKind]]:
        return list(dict.fromkeys((m.workload, m.link) for m in self.measurements))

    def clients(self) -> list[str]:
        found = {m.client for m in self.measurements}
        return [name for name in dict.fromkeys((*WIRE_CLIENTS, *LOCAL_CLIENTS)) if name in found]

    def ratio(self, workload: str, link: LinkKind, subject: str, peer: str) -> float | None:
        """The median of the ratios within each round: drift of the machine between rounds cancels out."""
        ours = {m.round: m.rate for m in self.of(workload, link, subject)}
        theirs = {m.round: m.rate for m in self.of(workload, link, peer)}
        common = ours.keys() & theirs.keys()
        return median(ours[n] / theirs[n] for n in common) if common else None

    def signing(self, workload: str, link: LinkKind, client: str) -> str:
        """How a client's PUTs were signed; empty where nothing was uploaded."""
        return next((m.payload.partition(" ")[0] for m in self.of(workload, link, client)), "")

    def equal_peer(self, workload: str, link: LinkKind, subject: str, peer: str) -> str:
        """The variant of a peer that signs payloads like the subject, or the peer itself."""
        wanted = self.signing(workload, link, subject)
        equal = (name for name in VARIANTS.get(peer, ()) if self.signing(workload, link, name) == wanted)
        return next((name for name in equal if self.of(workload, link, name)), peer)

    def disturbed(self, workload: str, link: LinkKind, *clients: str) -> bool:
        """Whether others took so much of a core that a comparison of these clients says nothing."""
        shares = [median(m.disturbed for m in self.of(workload, link, client)) for client in clients]
        return max(shares) > DISTURBED


def machine(client_cores: Sequence[int], server_cores: Sequence[int], loop: str, *, nginx: bool) -> dict[str, str]:
    """What the figures depend on besides the programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024 / MIB
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {loop}",
        "pinned": f"clients to core {list(client_cores)}, server to core {list(server_cores)}",
        "TLS": "nginx in front, on the server's core" if nginx else "by the server itself",
        "load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def kinds_of(client: str) -> list[ClientType]:
    """The classes that bear a client's name: for S3, for local files, or both."""
    return [
        find_client(client, local=local)
        for local, names in ((False, WIRE_CLIENTS), (True, LOCAL_CLIENTS))
        if client in names
    ]


def versions(clients: Iterable[str]) -> dict[str, str]:
    return {package: version(package) for name in clients for kind in kinds_of(name) for package in kind.packages}


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def markdown(report: Report, workloads: Sequence[Workload]) -> str:
    """The whole report."""
    kinds = {work.name: work for work in workloads}
    rows, clients = report.rows(), report.clients()
    parts = ["## Machine", "\n".join(f"- {name}: {value}" for name, value in report.machine.items())]
    parts.append("- " + ", ".join(f"{name} {value}" for name, value in sorted(report.versions.items())))
    parts += ["## Rates (medians)", per_client(report, lambda found: number(median(m.rate for m in found)))]
    ratios = ratio_table(report, kinds)
    if ratios:
        parts += ["## aiostore against its peers (median of the ratios within a round)", ratios]
    parts += [
        "## Processor time of the client per operation, or per MiB or 1,000 keys",
        per_client(report, cpu_cell(kinds)),
    ]
    parts += [
        "## Peak memory of the client's process, MiB",
        per_client(report, lambda found: number(max(m.result.peak_rss for m in found) / MIB)),
    ]
    uploads = [row for row in rows if kinds[row[0]].is_upload and row[1] != "local"]
    if uploads:
        parts += [
            "## Payload of the PUTs, as the server saw it",
            per_client(report, lambda found: found[0].payload, rows=uploads),
        ]
    if report.ceilings:
        parts += ["## The server is not the bottleneck", "What it does for a client in C on the clients' core:"]
        parts.append(
            table(
                ["workload", "link", "rate", "unit", "server busy"],
                [[c.workload, c.link, number(c.rate), c.unit, f"{c.server_busy:.0%}"] for c in report.ceilings],
            )
        )
        remote = [row for row in rows if row[1] != "local"]
        if remote:
            parts += [
                "Share of its core the server used meanwhile (near 100 %: it was the limit, not the client):",
                per_client(report, lambda found: f"{median(m.server_busy for m in found):.0%}", rows=remote),
            ]
    parts += [
        "## Disturbance: share of a core that other programs took (median; above 10 % the rate means little)",
        f"{report.retakes} measurements were repeated for it; which one was kept was decided by the disturbance alone.",
        per_client(report, lambda found: f"{median(m.disturbed for m in found):.0%}"),
    ]
    notes = [f"- {name}: {note}" for name in clients if (note := note_of(name))]
    parts += ["## How each client is used", "\n".join(notes)]
    if report.failures:
        lines = [f"- {f.workload} ({f.link}), {f.client}: {f.reason}" for f in report.failures]
        parts += ["## Not measured", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def per_client(
    report: Report,
    cell: Callable[[list[Measurement]], str],
    rows: Sequence[tuple[str, LinkKind]] | None = None,
) -> str:
    """A row for each workload and a column for each client."""
    clients = report.clients()
    lines = []
    for name, link in report.rows() if rows is None else rows:
        found = {client: report.of(name, link, client) for client in clients}
        unit = next(m.unit for measured in found.values() for m in measured)
        lines.append([name, link, unit, *(cell(measured) if measured else "-" for measured in found.values())])
    return table(["workload", "link", "unit", *clients], lines)


def cpu_cell(kinds: Mapping[str, Workload]) -> Callable[[list[Measurement]], str]:
    def cell(found: list[Measurement]) -> str:
        work = kinds[found[0].workload]
        each = {"op/s": 1.0, "MiB/s": work.size / MIB, "keys/s": work.size / 1000}[work.unit]
        value = median(m.result.cpu / m.result.operations for m in found) / each
        return f"{value * 1e6:,.0f} us"

    return cell


def ratio_table(report: Report, kinds: Mapping[str, Workload]) -> str:
    """Empty when no subject was measured. A verdict needs an undisturbed pair."""
    lines = []
    for name, link in report.rows():
        targets = kinds[name].targets.get(link, {})
        for subject, peers in SUBJECTS.items():
            # Targets name the peers of all subjects.
            others = {peer for found in SUBJECTS.values() if found is not peers for peer in found} - set(peers)
            compared = (*(peer for peer in targets if peer not in others), *(peers if link != "local" else ()))
            for peer in dict.fromkeys(compared):
                against = report.equal_peer(name, link, subject, peer)
                ratio = report.ratio(name, link, subject, against)
                if ratio is None:
                    continue
                wanted = targets.get(peer)
                verdict = "" if wanted is None else "yes" if ratio >= wanted else "NO"
                if report.disturbed(name, link, subject, against):
                    verdict = "disturbed"
                ours, theirs = (report.signing(name, link, client) for client in (subject, against))
                signing = ours if ours == theirs else f"{ours}, peer {theirs}"
                target = "" if wanted is None else f"{wanted:g}x"
                lines.append([name, link, subject, against, f"{ratio:.2f}x", target, verdict, signing])
    head = ["workload", "link", "client", "peer", "ratio", "at least", "reached", "payload"]
    return table(head, lines) if lines else ""


def note_of(client: str) -> str:
    return "; local: ".join(kind.note for kind in kinds_of(client) if kind.note)


def plot(report: Report, path: Path) -> bool:
    """One small bar chart for each workload and link; False if matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows, columns = report.rows(), 4
    height = -(-len(rows) // columns)
    figure, axes = plt.subplots(height, columns, figsize=(4 * columns, 2.4 * height), squeeze=False)
    for axis in axes.flat:
        axis.set_visible(False)
    for (name, link), axis in zip(rows, axes.flat, strict=False):
        found = {client: report.of(name, link, client) for client in reversed(report.clients())}
        found = {client: measured for client, measured in found.items() if measured}
        rates = [median(m.rate for m in measured) for measured in found.values()]
        low = [rate - min(m.rate for m in measured) for rate, measured in zip(rates, found.values(), strict=True)]
        high = [max(m.rate for m in measured) - rate for rate, measured in zip(rates, found.values(), strict=True)]
        colours = ["tab:orange" if client in SUBJECTS else "tab:blue" for client in found]
        axis.barh(list(found), rates, xerr=[low, high], color=colours, error_kw={"linewidth": 0.8})
        axis.set_title(f"{name}, {link} ({next(iter(found.values()))[0].unit})", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.set_visible(True)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
    return True

"""Where the time goes, in a sentence for each bench, from the same run's CPU times and profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Figures = Mapping[str, Any]


def _listed(us: Mapping[str, float], *, without: str = "load generator") -> str:
    """CPU times, greatest first, with their sum."""
    parts = sorted(((value, name) for name, value in us.items() if name != without), reverse=True)
    return f"{sum(value for value, _ in parts)} µs ({', '.join(f'{name} {value}' for value, name in parts)})"


def _shares(shares: Mapping[str, float]) -> str:
    """The greatest shares of a process's Python time, as percentages."""
    greatest = sorted(shares.items(), key=lambda each: -each[1])[:4]
    return ", ".join(f"{name} {share:.0%}" for name, share in greatest)


def form(found: Figures) -> str:
    """What a form costs each side, and what channels does with its part."""
    sides = found["sides"]
    ours, behind = sides["mesh"]["cpu_us_per_form"], sides["monolith (outbox) behind Envoy"]["cpu_us_per_form"]
    return (
        f"Both cores are busy throughout, so CPU time decides. A form takes {_listed(ours)} of the mesh's processes, "
        f"and {_listed(behind)} of the monolith's behind Envoy; without a proxy it is spared what the proxy costs. "
        f"In channels, samples fall on {_shares(found['shares_of_python_time'].get('channels', {}))}."
    )


def webhook(found: Figures) -> str:
    """What a webhook costs each side."""
    parts = []
    for channel, name in (("whatsapp", "A WhatsApp message"), ("gmail", "A push of Gmail's")):
        sides = found[channel]
        ours = sides["mesh"]["cpu_us_per_webhook"]
        behind = sides["monolith (outbox) behind Envoy"]["cpu_us_per_webhook"]
        parts.append(
            f"{name} takes {_listed(ours)} of the mesh's processes, and {_listed(behind)} of the monolith's behind "
            f"Envoy; in channels, samples fall on {_shares(found['shares_of_python_time_of_channels'][channel])}."
        )
    return " ".join(
        [
            *parts,
            "Where Python's share is small, commits are what is waited for: every push writes the one row of its "
            "mailbox, and the next one has that row only once the commit before is on the disk.",
            f"The walk files {found['mails_filed']['per_second']} mails a second, one after the other, each by a "
            "request to Gmail and a commit.",
        ]
    )


def parsing(found: Figures) -> str:
    """Which shapes take long."""
    slowest = sorted(found["one_megabyte"].items(), key=lambda each: -each[1]["median_ms"])[:2]
    listed = " and ".join(f"{shape} ({each['median_ms']:.0f} ms)" for shape, each in slowest)
    return (
        f"Of the shapes of a megabyte, {listed} take longest: each part has headers of its own to be read, and each "
        "level's boundaries are looked for in all that lies within it. There is a limit on parts, depth and the text "
        "of a part; what lies beyond one is only passed over, so that some shapes grow by less than their size."
    )


def breaker(found: Figures) -> str:
    """What the waiting mails are asked of the rest."""
    return (
        f"While Gmail was away {found['mails_waiting_at_most']} mails came to wait; its breaker lets one at a time "
        "find out whether it is back, and each channel has a dispatcher and connections of its own. What is left "
        "between the two is the cores that they share: replies by mail cost CPU time only while they are sent."
    )


def unary(found: Figures) -> str:
    """What the kit adds to each side of a call."""
    bare, full = found["bare"], found["full"]
    return (
        f"The server takes {full['server_cpu_us']:.0f} µs a call in place of {bare['server_cpu_us']:.0f}, the client "
        f"{full['client_cpu_us']:.0f} in place of {bare['client_cpu_us']:.0f}: three headers to encode, send and read, "
        "a deadline to hold, a token to look up, the request to validate, metrics and a line in the log."
    )


def stream(found: Figures) -> str:
    """What raw aiokafka costs once it writes the effect, too."""
    us = {side: sum(each.values()) for side, each in found["cpu_us_per_message"].items()}
    return (
        "Raw aiokafka only counts what it reads. Once it writes the effect to PostgreSQL, without inbox, outbox or "
        f"order for each key, it does {found['raw_writing_per_second']}/s, and ours is "
        f"{found['ratio_to_raw_writing']:.0%} of that. CPU time of both processes a message: raw {us['raw']} µs, "
        f"raw with a write {us['raw-writing']}, ours {us['ours']}."
    )


def journey(found: Figures) -> str:
    """What a message costs each process while a backlog is worked off."""
    us = found["burst"]["cpu_us_per_message"]
    seconds = sum(value for name, value in us.items() if name != "load generator") / 1e6
    return (
        f"A message takes {_listed(us)} of CPU time while a backlog is worked off, so two cores cannot do more than "
        f"{2 / seconds:.0f} a second. In the agent, samples fall on "
        f"{_shares(found['shares_of_python_time'].get('agent', {}))} (agents is the Agents SDK: a run is four turns of "
        "it). The services scale out alone; on two cores there is nothing to scale to."
    )


def agent(found: Figures) -> str:
    """How much of a run is the agent's and how much the model's."""
    overhead, slow = found["overhead"], found["slow_endpoint"]
    return (
        f"A run is {overhead['turns']} turns; with a model that takes no time it takes {overhead['p50_ms']:.1f} ms, "
        f"almost all of it the Agents SDK's own, and the local model makes that {found['local_model']['p50_ms']:.1f}. "
        f"At the slow endpoint a run is {slow['answers_a_run']} answers; what comes on top is CPU time of the HTTP "
        f"client and the SDK, {slow['cpu_ms_a_run']} ms a run, for {slow['runs_at_once']} runs that are at one turn."
    )


WHERE: Mapping[str, Callable[[Figures], str]] = {
    "form": form,
    "webhook": webhook,
    "parsing": parsing,
    "breaker": breaker,
    "unary": unary,
    "stream": stream,
    "journey": journey,
    "agent": agent,
}
"""By the name of the bench."""

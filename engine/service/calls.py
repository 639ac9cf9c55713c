"""The list of use cases by name, and who may call which."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from casparian_flow.errors import ConfigError, NotFound
from engine.control import Caller, Progress
from engine.house import House
from engine.service import (
    approving,
    checking,
    details,
    dismissing,
    drafts,
    explaining,
    jobs,
    lineage,
    overview,
    plugins,
    previewing,
    publishing,
    questions,
    rounds,
    sources,
    steering,
    terms,
    testing,
    validating,
)
from engine.service.results import Done, Result

_UseCase = Callable[..., Result]


@dataclass(frozen=True, slots=True)
class _Call:
    """A use case and what it needs of its caller."""

    run: _UseCase
    writes: bool = False
    rests_on_catalog: bool = False
    """Without arguments it says the same until the catalog changes."""


def stop(house: House, _caller: Caller) -> Done:
    """End the engine; what runs is taken up at its next start."""
    house.stop()
    return Done(summary="The engine stops.")


CALLS: Mapping[str, _Call] = {
    "get_overview": _Call(overview.get_overview, rests_on_catalog=True),
    "find_files": _Call(overview.find_files),
    "grant": _Call(sources.grant, writes=True),
    "sources": _Call(sources.sources),
    "remove_source": _Call(sources.remove_source, writes=True),
    "set_on_delete": _Call(sources.set_on_delete, writes=True),
    "scan": _Call(sources.scan, writes=True),
    "preview_file": _Call(previewing.preview_file),
    "get_draft": _Call(drafts.get_draft),
    "draft_plugin": _Call(drafts.draft_plugin, writes=True),
    "validate_plugin": _Call(validating.validate_plugin, writes=True),
    "try_samples": _Call(testing.try_samples, writes=True),
    "publish_plugin": _Call(publishing.publish_plugin, writes=True),
    "propose_plugin": _Call(publishing.propose_plugin, writes=True),
    "approvals": _Call(approving.approvals),
    "approve": _Call(approving.approve, writes=True),
    "decline": _Call(approving.decline, writes=True),
    "retire": _Call(plugins.retire, writes=True),
    "get_plugins": _Call(plugins.get_plugins),
    "run_job": _Call(jobs.run_job, writes=True),
    "get_jobs": _Call(jobs.get_jobs),
    "cancel_job": _Call(steering.cancel_job, writes=True),
    "retry_job": _Call(steering.retry_job, writes=True),
    "get_rounds": _Call(rounds.get_rounds),
    "undo_round": _Call(rounds.undo_round, writes=True),
    "redo_round": _Call(rounds.redo_round, writes=True),
    "get_datasets": _Call(details.get_datasets),
    "get_contract": _Call(terms.get_contract),
    "set_contract": _Call(terms.set_contract, writes=True),
    "quarantine": _Call(dismissing.quarantine),
    "dismiss": _Call(dismissing.dismiss, writes=True),
    "query": _Call(questions.query),
    "query_lineage": _Call(lineage.query_lineage),
    "explain": _Call(explaining.explain),
    "verify": _Call(checking.verify),
    "doctor": _Call(checking.doctor),
    "stop": _Call(stop),
}


def may_be_remembered(method: str, params: Mapping[str, object]) -> bool:
    """Whether the answer holds until the catalog changes."""
    call = CALLS.get(method)
    return call is not None and call.rests_on_catalog and not params


def perform(
    house: House,
    caller: Caller,
    method: str,
    params: Mapping[str, object],
    *,
    progress: Progress,
) -> Result:
    """Run a use case with arguments from a wire.

    Raises:
        NotFound: no use case has this name.
        ConfigError: an argument is unknown, missing or of the wrong type; or this is read-only.
        CasparianError: whatever the use case says.
    """
    call = CALLS.get(method)
    if call is None:
        raise NotFound(f"no use case {method!r}", hint="Door and engine differ in version?")
    if call.writes and house.settings.read_only:
        raise ConfigError(
            f"{method} is not available: this installation is read-only",
            hint="An operator sets read_only = false in config.toml.",
        )
    given = {key: value for key, value in params.items() if key != "progress"}
    try:
        checked = _arguments(method).model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise ConfigError(f"{method}: {name}: {first['msg']}") from error
    arguments = {name: getattr(checked, name) for name in type(checked).model_fields}
    if _reports_progress(method):
        arguments["progress"] = progress
    try:
        return call.run(house, caller, **arguments)
    except OverflowError as error:
        raise ConfigError(f"{method}: a number is larger than any that exists here") from error


@cache
def _reports_progress(method: str) -> bool:
    return "progress" in inspect.signature(CALLS[method].run).parameters


@cache
def _arguments(method: str) -> type[BaseModel]:
    """The keyword arguments of a use case as a model, from its own signature."""
    run = CALLS[method].run
    hints = get_type_hints(run)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(run).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "progress"
    }
    return create_model(method, __config__=ConfigDict(extra="forbid"), **fields)

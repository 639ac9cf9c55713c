"""Run the attack that the input names; say what it got, or how it was stopped."""

import importlib
import json


class Handler:
    def __init__(self, outlet):
        self.outlet = outlet

    def execute(self, path):
        with open(path) as order:
            facts = json.load(order)
        facts["path"] = path
        attack = getattr(importlib.import_module(facts["family"]), facts["attack"])
        try:
            got = attack(facts)
        except (OSError, MemoryError, RuntimeError) as error:
            said = {"contained": True, "detail": f"{type(error).__name__}: {error}"}
        else:
            said = {"contained": False, "detail": repr(got)[:200]}
        self.outlet.quarantine(json.dumps(said), "attack", None)

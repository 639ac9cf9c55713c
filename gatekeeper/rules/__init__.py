"""Which constructs may a plugin's source use? One module per family of rules."""

from gatekeeper.rules.finding import Finding as Finding
from gatekeeper.rules.inspection import inspect as inspect
from gatekeeper.rules.inspection import inspect_files as inspect_files

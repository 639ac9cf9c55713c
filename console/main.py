"""The `casparian` command."""

from __future__ import annotations

import sys

from casparian_flow.errors import CasparianError


def main() -> None:
    """Run one command; end with its exit code."""
    from console.commands import app
    from console.showing import show_error

    try:
        code = app(standalone_mode=False)
    except CasparianError as error:
        raise SystemExit(show_error(error, as_json="--json" in sys.argv)) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except Exception as error:
        raise SystemExit(_usage(error)) from error
    raise SystemExit(code if isinstance(code, int) else 0)


def _usage(error: Exception) -> int:
    """Show an error of Typer's own; anything else is a defect and is shown whole."""
    import typer

    show = getattr(error, "show", None)
    if callable(show):
        show()
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, typer.Abort):
        sys.stderr.write("Aborted.\n")
        return 130
    raise error


if __name__ == "__main__":
    main()

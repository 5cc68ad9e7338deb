"""How many examples a property gets; in CI the same ones every time."""

import os

from hypothesis import HealthCheck, Phase, settings

IN_CI = bool(os.environ.get("CI"))


def bounded(examples: int, steps: int = 30) -> settings:
    """Return the settings for N examples, of M steps each for a state machine.

    `HYPOTHESIS_TIMES` multiplies the examples, for a long look before a release.
    """
    times = int(os.environ.get("HYPOTHESIS_TIMES", "1"))
    return settings(
        max_examples=examples * times,
        stateful_step_count=steps,
        derandomize=IN_CI,
        database=None if IN_CI else settings().database,
        # Virtual time makes real time meaningless; a slow machine is no fault.
        deadline=None,
        # Explaining a failure takes minutes here; the shrunk walk says enough.
        phases=[phase for phase in Phase if phase is not Phase.explain],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

"""A part of a scenario, as a scenario."""

from dataclasses import replace

from tenuto.scenarios import Application, Scenario


def window(scenario: Scenario, begin_s: float, end_s: float) -> Scenario:
    """What happens from one time of a scenario to another, its time counted from there.

    Applications keep their places; one that is gone by then never comes.

    Args:
        scenario: Without variants.
        begin_s: From when, 0 or more.
        end_s: To when, later, and not after the scenario's end.
    """
    before = [conditions for time_s, conditions in scenario.world if time_s <= begin_s]
    later = [(time_s - begin_s, conditions) for time_s, conditions in scenario.world if begin_s < time_s < end_s]
    changed = {change.application: change.requirements for change in scenario.changes if change.time_s <= begin_s}
    return replace(
        scenario,
        duration_s=end_s - begin_s,
        applications=tuple(
            replace(
                _moved(one, begin_s),
                requirements=changed.get(one.name, one.requirements) if begin_s else one.requirements,
            )
            for one in scenario.applications
        ),
        world=(*(((0.0, before[-1]),) if before else ()), *later),
        utilisation=tuple(
            replace(one, time_s=max(one.time_s - begin_s, 0.0), until_s=one.until_s - begin_s)
            for one in scenario.utilisation
            if one.until_s > begin_s and one.time_s < end_s
        ),
        changes=tuple(
            replace(one, time_s=one.time_s - begin_s)
            for one in scenario.changes
            if begin_s < one.time_s < end_s or (begin_s == one.time_s == 0)
        ),
        disturbances=tuple(
            replace(one, time_s=one.time_s - begin_s, until_s=None if one.until_s is None else one.until_s - begin_s)
            for one in scenario.disturbances
        ),
        losses=tuple(
            replace(one, time_s=one.time_s - begin_s, until_s=None if one.until_s is None else one.until_s - begin_s)
            for one in scenario.losses
        ),
    )


def _moved(application: Application, begin_s: float) -> Application:
    until_s, times_s = application.until_s, application.arrivals.times_s
    return replace(
        application,
        from_s=max(application.from_s - begin_s, 0.0),
        until_s=None if until_s is None else max(until_s - begin_s, 0.0),
        arrivals=application.arrivals
        if times_s is None
        else replace(application.arrivals, times_s=tuple(one - begin_s for one in times_s if one >= begin_s)),
    )

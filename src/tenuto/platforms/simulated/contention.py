"""What programs of others do to our inference. Nothing here simply multiplies with the clock.

Model:
    **Cores.** The kernel moves others' threads to free cores first. Where all threads together are more than cores,
    each gets an equal share of them, so n of ours beside b busy ones on N cores take (n + b) / N times as long. Others'
    b grows as the clock falls.

    **Memory.** Of the bandwidth that the memory's clock leaves, others take what they ask for; arbitration between
    masters leaves us half at least. A cluster's `memory_sensitivity` says how much of that a network feels (caches
    soften it). The result is a share of the bandwidth for the latency model: only what is bound by memory gets slower.

    **An accelerator's queue.** Every kernel of ours that finds the device busy waits for what runs. Others' kernels
    take `r` times as long at a clock `r` times lower, and they also keep the device busy for `r` times the share: so
    the wait grows with r x u r / (1 - u r), u being their share of the device's time at its highest clock (the mean
    wait of an M/G/1 queue). `queue_share` is the wait at u = 1/2 and the highest clock, as a part of the inference.
    Time slices bound it: beside one other program we get half of the device.

    Left out: waiting for a core that is free on average (others' bursts), and caches that others sweep, other than in
    the sensitivity.

Source:
    The form of the queue is chosen by the multipliers of a Xavier NX GPU (read off the motivation figure in
    Dynamic-OFA's repository): 803 MHz instead of 1.1 GHz 1.15, one program beside it 1.15, both 1.59. Given the first
    two, independent factors predict 1.32 for both, and an equal share of the device, t / (1 - q u r), 1.40. The queue
    predicts 1.47 if the other program kept the device busy for 20 % of the time, 1.53 for 40 %, 1.59 for 48 %, 1.61 for
    50 %: how busy it was, nobody wrote down. For the CPU equal shares give 2.0 beside as many threads of others as
    there are cores; published are 1.97 at 1.4 GHz and 1.73 (2.52 / 1.46) at 1.2 GHz, of few and noisy runs.
"""

from typing import Final

LEAST_BANDWIDTH_SHARE: Final = 0.5
"""What arbitration leaves us, however much others ask for."""

MOST_BUSY: Final = 0.999
"""A queue whose device is always busy would never end; the bound of time slices holds long before."""

LONGEST_WAIT: Final = 1.0
"""For each time that we need, another program gets no more than as much: time slices are equal."""


def core_slowdown(n_ours: int, n_busy: float, n_cores: int) -> float:
    """How many times longer an inference takes on cores that others use, too.

    Args:
        n_ours: Cores that it runs on, at least 1.
        n_busy: Cores that others keep busy at the clock in force.
        n_cores: That the cluster has.
    """
    return max((n_ours + n_busy) / n_cores, 1.0)


def memory_share(others_gb_s: float, bandwidth_gb_s: float, clock_share: float, sensitivity: float) -> float:
    """What is left of the memory's bandwidth for a network that notices `sensitivity` of what others take.

    Args:
        others_gb_s: What they ask for.
        bandwidth_gb_s: At the memory's highest clock, above 0.
        clock_share: What the memory's clock leaves of that, above 0 and at most 1.
        sensitivity: 0 to 1.

    Returns:
        Above 0 and at most 1.
    """
    left = max(1 - others_gb_s / (bandwidth_gb_s * clock_share), LEAST_BANDWIDTH_SHARE)
    return clock_share * (1 - sensitivity * (1 - left))


def queue_slowdown(queue_share: float, busy_share: float, clock_ratio: float, own_ratio: float) -> float:
    """How many times longer an inference takes on an accelerator that others use, too.

    Args:
        queue_share: Wait / time of the inference, at the highest clock with others busy for half of the time.
        busy_share: Others' share of the device's time at the highest clock, 0 to 1.
        clock_ratio: Highest clock / clock in force, at least 1.
        own_ratio: The inference's time alone at the clock in force / at the highest, at least 1.
    """
    busy = min(busy_share * clock_ratio, MOST_BUSY)
    wait = queue_share * clock_ratio * busy / (1 - busy) / own_ratio
    return 1 + min(wait, LONGEST_WAIT)


def memory_clock_share(frequency_mhz: float, highest_mhz: float, exponent: float) -> float:
    """What a memory clock leaves of the bandwidth."""
    share: float = (frequency_mhz / highest_mhz) ** exponent
    return share

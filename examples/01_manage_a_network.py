"""Keep a deadline while another program takes its share of the processor.

You will see, three times: which sub-networks answered how many of 50 frames, how many were late, and the reason of the
last decision. First nobody disturbs, then a real co-runner does, then it has stopped. Large sub-networks answer while
there is room; under the co-runner smaller ones take over. The first run measures this machine for a few seconds.
"""

import time
from collections import Counter

import numpy as np

import tenuto
from tenuto.control import fastest_rows
from tenuto.platforms import CoRunner, LinuxPlatform

N_FRAMES = 50
PERIOD_S = 1 / 60
BATCH = 4


def main() -> None:
    """Stream frames in three phases."""
    generator = np.random.default_rng(1)
    cpus = [cpu for cluster in LinuxPlatform().clusters for cpu in cluster.cpus]
    table = tenuto.manage("fashion", batch=BATCH).table
    deadline_ms = 1.6 * float(table.column("latency_ms").value[fastest_rows(table)[-1]])
    print(f"deadline {deadline_ms:.1f} ms: 1.6 times the largest sub-network's median on this machine")
    with (
        CoRunner(cpus) as co_runner,
        tenuto.manage("fashion", latency_ms=deadline_ms, miss_pct=1, table=table, batch=BATCH) as net,
    ):
        for phase in ("quiet", "disturbed", "quiet again"):
            if phase == "disturbed":
                co_runner.start()
            else:
                co_runner.stop()
            answered: Counter[str] = Counter()
            n_late = 0
            for _ in range(N_FRAMES):
                frame = generator.random((BATCH, 1, 28, 28), dtype=np.float32)
                result = net(frame)
                answered[result.sub_network.name] += 1
                n_late += result.is_late
                time.sleep(PERIOD_S)
            shares = ", ".join(f"{name} {count}" for name, count in answered.most_common(3))
            print(f"{phase}: {n_late} of {N_FRAMES} late; most often {shares}")
            print(f"  last: {result.reason}")


if __name__ == "__main__":
    main()

"""Manage a dynamic network on a board that you do not have, while others use it and it gets warm.

You will see, second by second, which sub-network of a dynamic AlexNet runs where on a simulated Odroid XU3, and how a
neighbour on the big cores drives it away from them. Two minutes of the board pass in a few seconds.
"""

from collections import Counter

import numpy as np

from tenuto import Requirements, Session
from tenuto.graphs import layer_costs
from tenuto.nets.catalogue import open_network
from tenuto.platforms.simulated import BackgroundLoad, Conditions, SimulatedEngine, SimulatedPlatform
from tenuto.profiling.modelled import model_table

PERIOD_S = 0.1
N_FRAMES = 1200
SHOWN_EVERY = 100

if __name__ == "__main__":
    board = SimulatedPlatform("odroid-xu3", seed=1)
    network = open_network("alexnet-groups")
    table = model_table(board.spec, network, clusters=["a7", "a15"])
    layers = {one.sub_network: layer_costs(one.graph) for one in network.members if one.graph is not None}
    engine = SimulatedEngine(board, layers, input_shape=(3, 32, 32), output_shape=(10,))
    engine.load(layers)

    neighbour = Conditions(background={"a15": BackgroundLoad(busy_cores=4, memory_gb_s=2)}, ambient_c=35)
    board.schedule([(40.0, neighbour), (80.0, Conditions())])

    frame = np.zeros((1, 3, 32, 32), np.float32)
    requirements = Requirements.of(latency_ms=90, energy_mj=100, miss_pct=2)
    with Session(None, board, table, requirements, engine=engine, clock=board.clock) as net:
        places: Counter[str] = Counter()
        n_late = 0
        for index in range(N_FRAMES):
            board.clock.sleep_until(index * PERIOD_S)
            result = net(frame)
            where = table.configuration(result.decision.point)
            places[f"{where.sub_network.name} on {where.n_cores} x {where.cluster}"] += 1
            n_late += result.is_late
            if index % SHOWN_EVERY == SHOWN_EVERY - 1:
                truth = board.truth()
                hottest_c = max(truth.temperature_c.values())
                place, _ = places.most_common(1)[0]
                print(f"{truth.time_s:5.0f} s  mostly {place:18}  {n_late:3} late  {hottest_c:4.1f} °C")
                places.clear()
                n_late = 0

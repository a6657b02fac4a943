"""Public networks as graphs described in code, without weights: what published latencies of boards were measured on."""

from tenuto.nets.public._registry import PUBLIC_NETWORKS, PublicNetwork, public_graph

__all__ = ["PUBLIC_NETWORKS", "PublicNetwork", "public_graph"]

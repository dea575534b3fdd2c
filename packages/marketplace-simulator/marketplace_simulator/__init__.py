"""Simulated marketplace: users, products, prices, orders and fraud patterns, all derived from one seed.

Pure functions with random access and nothing on disk: the producer's orders and the hourly catalog draw on the same
world without exchanging data, so that their joins match.
"""

from marketplace_simulator.products import Category, Product
from marketplace_simulator.settings import WorldSettings
from marketplace_simulator.users import EmailStyle, SimulatedUser
from marketplace_simulator.world import BEGINNING, EPOCH, World

__all__ = ["BEGINNING", "EPOCH", "Category", "EmailStyle", "Product", "SimulatedUser", "World", "WorldSettings"]

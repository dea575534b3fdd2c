"""The marketplace's world: who is registered, what is on sale and at which price, at any moment since 2025.

Made up from one seed, by pure functions with random access and nothing on disk: the producer's orders and the
hourly catalog draw on the same world without talking to each other, so that their joins find partners.
"""

from marketplace_simulator.products import Category, Product
from marketplace_simulator.settings import WorldSettings
from marketplace_simulator.users import EmailStyle, User
from marketplace_simulator.world import BEGINNING, EPOCH, World

__all__ = ["BEGINNING", "EPOCH", "Category", "EmailStyle", "Product", "User", "World", "WorldSettings"]

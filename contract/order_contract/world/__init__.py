"""The marketplace's world: who is registered, what is on sale and at which price, at any moment since 2025.

Made up from one seed, by pure functions with random access and nothing on disk: the producer's orders and the
hourly catalog draw on the same world without talking to each other, so that their joins find partners.
"""

from order_contract.world.people import EmailStyle, User
from order_contract.world.products import Category, Product
from order_contract.world.settings import WorldSettings
from order_contract.world.world import BEGINNING, EPOCH, World

__all__ = ["BEGINNING", "EPOCH", "Category", "EmailStyle", "Product", "User", "World", "WorldSettings"]

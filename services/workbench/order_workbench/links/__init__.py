"""Links: who shares devices, addresses and vouchers with an order or user, as a graph beside a table."""

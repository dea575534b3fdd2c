"""Users, devices, addresses, vouchers and products as their orders show them."""

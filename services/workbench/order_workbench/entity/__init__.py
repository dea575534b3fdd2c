"""A user, device, address, voucher or product: what its orders show, the lists that hold it, and changing those."""

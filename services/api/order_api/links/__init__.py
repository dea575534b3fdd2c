"""Links between users by the devices, addresses and vouchers that their orders share."""

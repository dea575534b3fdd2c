// The graph of shared devices, addresses and vouchers.
export {};

"""What-if: deciding an order that is not stored, by any ruleset."""

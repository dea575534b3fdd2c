"""Tests that build models with dbt, as loads, kills, upgrades and erasures lead to it."""

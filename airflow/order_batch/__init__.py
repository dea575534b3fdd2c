"""The batch side: catalog, loads into the warehouse, dbt and what comes back, without Airflow in any of it."""

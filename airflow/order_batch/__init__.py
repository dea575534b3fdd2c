"""The batch side without Airflow: catalog, loads into the warehouse, dbt, and publication of marts."""

"""What Airflow itself loads: the timetable of business dates, and the order of waiting tasks."""

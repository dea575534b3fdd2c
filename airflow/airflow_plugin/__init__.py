"""What Airflow itself loads: the timetable of business dates, the order of waiting tasks, the zone of its pages."""

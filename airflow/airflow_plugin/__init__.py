"""What Airflow itself loads: the timetable of business dates, the order of waiting tasks, and links in its pages."""

"""The workbench: the pages where analysts see decisions, review flagged orders and change rules."""

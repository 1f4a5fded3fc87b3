"""The report: one page for each mask, which shows whether its flags can be trusted."""

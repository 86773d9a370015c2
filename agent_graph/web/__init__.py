"""The page: ask, watch the plan run, read the cited answer; one HTML file, one style sheet, one script."""

"""What several experiments share beside their settings: units of views, names in tables."""

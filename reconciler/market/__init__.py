"""When the market trades, which buckets that makes, and how missing time is cut into requests. Pure."""

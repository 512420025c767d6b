"""A declarative reconciler for market-data ingestion into PostgreSQL."""

__version__ = "0.1.0"

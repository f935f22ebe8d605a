"""Rows of a Spark DataFrame: pyspark is imported here and nowhere else."""

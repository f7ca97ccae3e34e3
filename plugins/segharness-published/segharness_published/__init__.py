"""Printed results of papers, as data for segharness."""

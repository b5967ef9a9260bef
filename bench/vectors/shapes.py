"""What sets have in common, for who has no NumPy."""

# A filter is `field == 0`; the name says what share of the rows it keeps. `near` keeps a tenth that lies together.
FILTERS = {"half": 2, "tenth": 10, "hundredth": 100, "thousandth": 1000, "near": 10}

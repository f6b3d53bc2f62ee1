"""What is known of the course notebook's file, and so of the fixture that has its shape."""

# Searches of each term, the most searched first.
TERM_COUNTS = {
    "mobile 6 inch": 2312,
    "mobile 5g": 2301,
    "mobile latest": 1327,
    "laptop": 935,
    "tablet wifi": 896,
    "tablet 10 inch": 715,
    "gaming laptop": 499,
    "laptop 14 inch": 461,
    "ebooks data science": 410,
    "pen drive": 144,
}

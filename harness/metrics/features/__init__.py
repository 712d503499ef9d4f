"""Networks that turn videos into features, and where metrics find them."""

"""Linear heads: scikit-learn's, and ridge in closed form."""

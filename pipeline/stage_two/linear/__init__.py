"""Linear heads: those of scikit-learn, and ridge in closed form."""

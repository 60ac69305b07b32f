"""Our operators in a model: their table, the weight groups they read, their portable bodies, what decoding restores."""
